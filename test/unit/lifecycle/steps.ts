/** What can happen to a vDisk, by chance. */
import fc from 'fast-check';

export const BLOCK = 4096;
/** Some chunks of 64 KiB, and a last block that is short. */
export const SIZE = 6 * 64 * 1024 + 5 * BLOCK + 1536;

export type Step =
  | { readonly kind: 'boot' | 'reconnect' | 'off' | 'capture'; readonly machine: number }
  | {
      readonly kind: 'write' | 'zero' | 'trim';
      readonly machine: number;
      readonly at: number;
      readonly length: number;
      readonly fill: number;
    }
  | {
      readonly kind: 'edit' | 'take';
      readonly machine: number;
      readonly at: number;
      readonly fill: number;
    }
  | { readonly kind: 'begin'; readonly from: number; readonly isPrivate: boolean }
  | { readonly kind: 'seal' | 'demote' | 'delete' | 'pin' | 'revert'; readonly version: number }
  | { readonly kind: 'promote'; readonly version: number; readonly later: boolean }
  | { readonly kind: 'merge'; readonly version: number; readonly mode: 'full' | 'partial' }
  | { readonly kind: 'class'; readonly machine: number; readonly to: number }
  /** Where write caches are made from now on. */
  | { readonly kind: 'move'; readonly isElsewhere: boolean }
  | { readonly kind: 'revertBack' | 'unpin' | 'advance' | 'crash' | 'verify' };

const machine = fc.nat({ max: 3 });
/** 0 is the newest; else counted back from there, or a number that is none. */
const version = fc.nat({ max: 4 });
const range = {
  machine,
  at: fc.nat({ max: SIZE - 1 }),
  length: fc.oneof(fc.constant(BLOCK), fc.integer({ min: 1, max: 3 * 64 * 1024 })),
  fill: fc.integer({ min: 1, max: 255 }),
};

export const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 6, arbitrary: fc.record({ kind: fc.constant('boot' as const), machine }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('reconnect' as const), machine }) },
  { weight: 4, arbitrary: fc.record({ kind: fc.constant('off' as const), machine }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('capture' as const), machine }) },
  { weight: 10, arbitrary: fc.record({ kind: fc.constant('write' as const), ...range }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('zero' as const), ...range }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('trim' as const), ...range }) },
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constantFrom('edit' as const, 'edit' as const, 'take' as const),
      machine,
      at: range.at,
      fill: range.fill,
    }),
  },
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constant('begin' as const),
      from: version,
      isPrivate: fc.nat({ max: 5 }).map((n) => n === 0),
    }),
  },
  { weight: 5, arbitrary: fc.record({ kind: fc.constant('seal' as const), version }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('demote' as const), version }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('delete' as const), version }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('pin' as const), version }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('revert' as const), version }) },
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constant('promote' as const),
      version,
      later: fc.boolean(),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constant('merge' as const),
      version,
      mode: fc.constantFrom('full' as const, 'partial' as const),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant('class' as const),
      machine,
      to: fc.nat({ max: 2 }),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({ kind: fc.constant('move' as const), isElsewhere: fc.boolean() }),
  },
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constantFrom(
        'revertBack' as const,
        'unpin' as const,
        'advance' as const,
        'crash' as const,
        'verify' as const,
      ),
    }),
  },
);
