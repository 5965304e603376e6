/**
 * Images that are cut off, changed or made up: a clean failure or a disk, never another exception, a hang or a large
 * allocation. The decoders read what anybody may send who has a session.
 */
import { describe, expect, it } from 'vitest';
import { MemoryDevice } from '../../../../src/block/index.ts';
import { BlockError, Fault } from '../../../../src/errors/index.ts';
import type { ImageFormat } from '../../../../src/xenapi/images/index.ts';
import { SEED, seededRandom } from '../../../support/seed.ts';
import { qcow2Image } from '../../vdisk/formats/qcow2-images.ts';
import { vhdImage } from '../../vdisk/formats/vhd-images.ts';
import { contentOf, expectSame, exported, imported, K, memoryOf, piecesOf } from './transfers.ts';

const random = seededRandom();
const SIZE = 300 * K + 512;
const DISK = Buffer.alloc(SIZE);
DISK.fill('first ', 0, 3 * K);
DISK.fill('second ', 130 * K, 200 * K);
DISK.fill('last ', SIZE - 100);

/** A chunked stream: the head of a frame is its offset and its length. */
function framed(): Buffer {
  const frame = (offset: number, end: number): Buffer => {
    const head = Buffer.alloc(12);
    head.writeUInt32LE(offset, 0);
    head.writeUInt32LE(end - offset, 8);
    return Buffer.concat([head, DISK.subarray(offset, end)]);
  };
  const parts = [frame(0, 3 * K), frame(130 * K, 200 * K), frame(SIZE - 100, SIZE)];
  return Buffer.concat([...parts, Buffer.alloc(12)]);
}

interface Case {
  readonly name: string;
  readonly format: ImageFormat;
  readonly isChunked: boolean;
  readonly bytes: Buffer;
  /** Bytes at the end that say nothing more. */
  readonly rest?: number;
}

const CASES: Case[] = [{ name: 'chunked', format: 'raw', isChunked: true, bytes: framed() }];
for (const format of ['raw', 'vhd', 'tar', 'qcow2'] as const) {
  const bytes = await exported(format, { disk: memoryOf(DISK) });
  // Two sectors of zeroes end an archive, whose last block was there before.
  const rest = format === 'tar' ? 1024 : 0;
  CASES.push({ name: format, format, isChunked: false, bytes, rest });
}
CASES.push(
  {
    name: 'fixed VHD',
    format: 'vhd',
    isChunked: false,
    bytes: vhdImage({ kind: 'fixed', size: SIZE, uniqueId: 'ab'.repeat(16), disk: DISK }),
  },
  {
    name: 'qcow2, packed, small clusters',
    format: 'qcow2',
    isChunked: false,
    bytes: qcow2Image({
      size: SIZE,
      clusterBits: 12,
      clusters: new Map([
        [0, { kind: 'compressed', bytes: Buffer.alloc(4 * K, 'first ') }],
        [40, { kind: 'data', bytes: Buffer.alloc(4 * K, 'second ') }],
        [41, { kind: 'zero' }],
      ]),
    }),
  },
);

/** @returns whether it was taken */
async function survives(
  { format, isChunked }: Case,
  bytes: Buffer,
  length: number | undefined,
): Promise<boolean> {
  const target = new MemoryDevice({ size: SIZE });
  try {
    await imported(format, piecesOf(bytes, 30_000), target, { isChunked, length });
    return true;
  } catch (error) {
    const isClean = error instanceof Fault || error instanceof BlockError;
    if (!isClean) throw error;
    expect(['IMAGE_INVALID', 'IMAGE_UNSUPPORTED']).toContain((error as Fault).code);
    return false;
  }
}

describe(`an image that is sent (seed ${SEED})`, () => {
  it.each(CASES)('$name: is refused wherever it is cut off', async (one) => {
    const { bytes, rest = 0 } = one;
    const cuts = new Set([0, 1, 11, 12, 511, 512, 513, 1023, 1535, 1536, bytes.length - 1]);
    for (const near of [511, 512, 1024, 64 * K]) cuts.add(Math.max(0, bytes.length - near));
    while (cuts.size < 80) cuts.add(Math.floor(random() * bytes.length));
    for (const cut of cuts) {
      if (cut >= bytes.length - rest) continue;
      const { length } = bytes;
      expect(await survives(one, bytes.subarray(0, cut), length), `cut at ${cut}`).toBe(false);
    }
    expect(await survives(one, bytes, bytes.length)).toBe(true);
  });

  it.each(CASES)('$name: is taken or refused when bytes of it are others', async (one) => {
    let taken = 0;
    for (let round = 0; round < 60; round += 1) {
      const bytes = Buffer.from(one.bytes);
      for (let change = 0; change <= random() * 4; change += 1) {
        // Where the tables and heads are, mostly.
        const reach = random() < 0.7 ? Math.min(4 * K, bytes.length) : bytes.length;
        const at = Math.floor(random() * reach);
        const value = [0, 0xff, 0x7f, 0x80, Math.floor(random() * 256)][Math.floor(random() * 5)];
        bytes.writeUInt8(value ?? 0, at);
      }
      if (await survives(one, bytes, random() < 0.5 ? undefined : bytes.length)) taken += 1;
    }
    expect(taken).toBeGreaterThanOrEqual(0);
  });

  it.each(CASES)('$name: is taken or refused when it is noise', async (one) => {
    for (let round = 0; round < 20; round += 1) {
      const bytes = Buffer.alloc(Math.floor(random() * 8 * K));
      for (let at = 0; at < bytes.length; at += 1) bytes.writeUInt8(Math.floor(random() * 256), at);
      if (round % 2 === 0) one.bytes.copy(bytes, 0, 0, Math.min(72, bytes.length));
      await survives(one, bytes, bytes.length);
    }
  });

  it.each(CASES)(
    '$name: what the body throws is what is thrown',
    async ({ format, isChunked, bytes }) => {
      for (const cut of [0, 600, Math.floor(bytes.length / 2)]) {
        const body = (async function* () {
          yield bytes.subarray(0, cut);
          throw new Error('the client went away');
        })();
        const target = new MemoryDevice({ size: SIZE });
        const { length } = bytes;
        const broken = imported(format, body, target, { isChunked, length });
        await expect(broken).rejects.toThrow('the client went away');
        if (format === 'raw' && !isChunked) {
          const wanted = Buffer.concat([DISK.subarray(0, cut)], SIZE);
          expectSame(contentOf(target), wanted);
        }
      }
    },
  );
});
