import { describe, expect, it } from 'vitest';
import { MemoryDevice } from '../../../src/block/index.ts';
import { GatheredVolume } from '../../../src/vdisk/gathered-volume.ts';
import { READ_THROUGH_BYTES } from '../../../src/vdisk/limits.ts';

const KIB = 1024;
const SIZE = 4 * 1024 * KIB;

/** Counts its reads; every byte of it is its number, also where the disk has a hole. */
class Counted extends MemoryDevice {
  readonly reads: [offset: number, length: number][] = [];
  constructor(number: number) {
    super({ size: SIZE });
    this.write(Buffer.alloc(SIZE, number), 0, { fua: false });
    this.reads.length = 0;
  }
  override read(target: Buffer, offset: number) {
    this.reads.push([offset, target.length]);
    return super.read(target, offset);
  }
}

/** Runs of [bytes, source], one after the other. */
function gathered(runs: readonly (readonly [number, number])[]) {
  const volumes = [new Counted(1), new Counted(2)] as const;
  const ends = runs.map((_, at) => runs.slice(0, at + 1).reduce((sum, [bytes]) => sum + bytes, 0));
  const runAt = (offset: number): number => ends.findIndex((end) => offset < end);
  const map = {
    sourceAt: (offset: number) => runs[runAt(offset)]?.[1] ?? 0,
    runEnd: (offset: number, end: number) => Math.min(end, ends[runAt(offset)] ?? end),
  };
  const [first, second] = volumes.map((volume) => ({ volume, size: SIZE }));
  if (first === undefined || second === undefined) throw new Error('two volumes');
  const volume = new GatheredVolume(SIZE, [first, second], map);
  const read = (length: number): Buffer => {
    const target = Buffer.alloc(length, 0xff);
    expect(volume.read(target, 0)).toBeUndefined();
    return target;
  };
  return { read, volumes };
}

const expected = (runs: readonly (readonly [number, number])[]): Buffer =>
  Buffer.concat(runs.map(([bytes, source]) => Buffer.alloc(bytes, source)));

describe('volumes read as one disk', () => {
  it.each([
    [
      'a short hole',
      [
        [8, 1],
        [4, 0],
        [8, 1],
      ],
      [[0, 20]],
      [],
    ],
    [
      'two short holes',
      [
        [8, 1],
        [4, 0],
        [8, 1],
        [8, 0],
        [4, 1],
      ],
      [[0, 32]],
      [],
    ],
    [
      'a hole at the end',
      [
        [8, 1],
        [12, 0],
      ],
      [[0, 8]],
      [],
    ],
    [
      'a hole before another volume',
      [
        [8, 1],
        [4, 0],
        [8, 2],
      ],
      [[0, 8]],
      [[12, 8]],
    ],
    [
      'another volume',
      [
        [8, 1],
        [4, 2],
        [8, 1],
      ],
      [
        [0, 8],
        [12, 8],
      ],
      [[8, 4]],
    ],
  ] as const)(
    'reads through %s only where that saves a request, and never shows what lies there',
    (_, inKib, ofFirst, ofSecond) => {
      const runs = inKib.map(([kib, source]) => [kib * KIB, source] as const);
      const { read, volumes } = gathered(runs);
      const whole = expected(runs);
      expect(read(whole.length).equals(whole)).toBe(true);
      const bytes = (calls: readonly (readonly [number, number])[]) =>
        calls.map(([offset, length]) => [offset * KIB, length * KIB]);
      expect(volumes.map(({ reads }) => reads)).toEqual([bytes(ofFirst), bytes(ofSecond)]);
    },
  );

  it('does not read through a long hole', () => {
    const runs = [
      [8 * KIB, 1],
      [READ_THROUGH_BYTES + 4 * KIB, 0],
      [8 * KIB, 1],
    ] as const;
    const { read, volumes } = gathered(runs);
    const whole = expected(runs);
    expect(read(whole.length).equals(whole)).toBe(true);
    expect(volumes[0].reads).toHaveLength(2);
  });
});
