/** Whether a client keeps several requests in flight, by what its read events bring. */
import { describe, expect, it } from 'vitest';
import { Depth } from '../../../src/nbd/depth.ts';
import { DEEP_EVENTS, NAP_EVENTS, SHALLOW_EVENTS } from '../../../src/nbd/limits.ts';

function depthAfter(...events: readonly (readonly [requests: number, napped: boolean])[]): Depth {
  const depth = new Depth();
  for (const [requests, napped] of events) depth.event(requests, napped);
  return depth;
}

const times = <T>(count: number, event: T): readonly T[] =>
  Array.from({ length: count }, () => event);

const SINGLE = [1, false] as const;
const SINGLE_AFTER_NAP = [1, true] as const;
const SEVERAL = [2, false] as const;

describe('a client', () => {
  it('of which nothing is known waits for each answer', () => {
    expect(depthAfter()).toMatchObject({ mayBeDeep: false, isDeep: false });
    expect(depthAfter(SINGLE)).toMatchObject({ mayBeDeep: false, isDeep: false });
  });

  it('that has sent two at once may have several in flight for thousands of single ones', () => {
    expect(depthAfter(SEVERAL)).toMatchObject({ mayBeDeep: true, isDeep: true });
    const later = depthAfter(SEVERAL, ...times(SHALLOW_EVENTS, SINGLE));
    expect(later).toMatchObject({ mayBeDeep: true, isDeep: false });
    expect(depthAfter(SEVERAL, ...times(DEEP_EVENTS - 1, SINGLE)).mayBeDeep).toBe(true);
    expect(depthAfter(SEVERAL, ...times(DEEP_EVENTS, SINGLE)).mayBeDeep).toBe(false);
  });

  it('whose requests come alone although there was time to gather waits for each answer', () => {
    const naps = DEEP_EVENTS / NAP_EVENTS;
    expect(depthAfter(SEVERAL, ...times(naps - 1, SINGLE_AFTER_NAP)).mayBeDeep).toBe(true);
    expect(depthAfter(SEVERAL, ...times(naps, SINGLE_AFTER_NAP)).mayBeDeep).toBe(false);
    const gathers = depthAfter(
      SEVERAL,
      ...times(naps - 1, SINGLE_AFTER_NAP),
      SEVERAL,
      SINGLE_AFTER_NAP,
    );
    expect(gathers.mayBeDeep).toBe(true);
  });

  it('is known anew at the next two at once', () => {
    expect(depthAfter(SEVERAL, ...times(3 * DEEP_EVENTS, SINGLE), SEVERAL).mayBeDeep).toBe(true);
  });
});
