/** What workers ask the control thread of a carved device, and what they are answered: structured clones. */
import { CARVED_EXTENTS, EXTENTS_AT_ONCE } from './limits.ts';

export type CarvedQuestion =
  /** Opens a volume; whoever was answered closes it by VolumeWords.addOpen(-1). */
  | { readonly kind: 'open'; readonly volume: string }
  /** These extents of the volume must be mapped; some of them are when it is answered. */
  | { readonly kind: 'allocate'; readonly volume: string; readonly extents: readonly number[] }
  /** Extents of which nothing is needed any more; `size`: what the asker takes for the volume's. */
  | {
      readonly kind: 'free';
      readonly volume: string;
      readonly first: number;
      readonly count: number;
      readonly size: number;
    }
  /** Is the device still ours? */
  | { readonly kind: 'verify' };

/** The answer to `open`. */
export interface OpenedVolume {
  readonly size: number;
  readonly thin: boolean;
  readonly formatId: string;
  /** Another attach has another one, and other shared memory. */
  readonly attachToken: string;
  readonly extentSize: number;
  readonly dataStart: number;
  /** Bytes of the device, as far as extents are counted. */
  readonly deviceSize: number;
  readonly volumeWords: SharedArrayBuffer;
  readonly deviceWords: SharedArrayBuffer;
  /** ExtentMap.segments. */
  readonly segments: readonly SharedArrayBuffer[];
}

/** The answer to `free`: so many extents, from the first on, are not the volume's any more. */
export interface FreedExtents {
  readonly count: number;
}

/** undefined: not a question. */
export function readQuestion(value: unknown): CarvedQuestion | undefined {
  if (typeof value !== 'object' || value === null) return undefined;
  const { kind, volume, extents, first, count, size } = value as Record<string, unknown>;
  if (kind === 'verify') return { kind };
  if (typeof volume !== 'string') return undefined;
  switch (kind) {
    case 'open':
      return { kind, volume };
    case 'allocate': {
      if (!Array.isArray(extents) || extents.length > EXTENTS_AT_ONCE) return undefined;
      return extents.every(isNumber) ? { kind, volume, extents } : undefined;
    }
    case 'free':
      if (!isNumber(first) || !isNumber(count) || !isNumber(size)) return undefined;
      if (first + count > CARVED_EXTENTS) return undefined;
      return { kind, volume, first, count, size };
    default:
      return undefined;
  }
}

/** undefined: not such an answer. */
export function readOpened(value: unknown): OpenedVolume | undefined {
  if (typeof value !== 'object' || value === null) return undefined;
  const answer = value as Partial<Record<keyof OpenedVolume, unknown>>;
  const numbers = [answer.size, answer.extentSize, answer.dataStart, answer.deviceSize];
  const shared = [answer.volumeWords, answer.deviceWords];
  if (Array.isArray(answer.segments)) shared.push(...answer.segments);
  const sane =
    numbers.every(isNumber) &&
    typeof answer.formatId === 'string' &&
    typeof answer.attachToken === 'string' &&
    Array.isArray(answer.segments) &&
    shared.every((buffer) => buffer instanceof SharedArrayBuffer);
  return sane ? (value as OpenedVolume) : undefined;
}

function isNumber(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}
