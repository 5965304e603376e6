/** Records one after the other: in pieces of any length, whole, counted, and with nothing behind them. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  BUNDLE_MAGIC,
  encodeRecord,
  PREAMBLE_BYTES,
} from '../../../../src/vdisk/bundle/bundle-record.ts';
import { RecordReader } from '../../../../src/vdisk/bundle/record-reader.ts';
import { RecordWriter } from '../../../../src/vdisk/bundle/record-writer.ts';
import { SEED } from '../../../support/seed.ts';
import { pieces } from './memory-server.ts';
import { recordsOf } from './rewrite.ts';

describe('a stream', () => {
  const counts = { versions: 1, files: 0, chunks: 0 };

  function streamOf(lengths: readonly number[]): Buffer {
    const writer = new RecordWriter(BUNDLE_MAGIC);
    const records = lengths.map((length) => writer.record('file', [Buffer.alloc(length, length)]));
    return Buffer.concat([writer.preamble, ...records, writer.end(counts)]);
  }

  async function read(stream: AsyncIterable<Buffer>): Promise<number[]> {
    const reader = new RecordReader(stream, new AbortController().signal, 'the stream');
    const lengths: number[] = [];
    try {
      await reader.begin(BUNDLE_MAGIC);
      while ((await reader.peek()).kind === 'file') {
        const payload = await reader.next('file');
        expect(payload.every((byte) => byte === (payload.length & 0xff))).toBe(true);
        lengths.push(payload.length);
      }
      await reader.end(counts);
      return lengths;
    } finally {
      await reader.close();
    }
  }

  it('comes in pieces of any length', async () => {
    const lengths = fc.array(fc.integer({ min: 1, max: 3000 }), { maxLength: 8 });
    const parts = fc.array(fc.integer({ min: 1, max: 2000 }), { minLength: 1, maxLength: 5 });
    const property = fc.asyncProperty(lengths, parts, async (wanted, cuts) => {
      expect(await read(pieces(streamOf(wanted), ...cuts))).toEqual(wanted);
    });
    await fc.assert(property, { seed: SEED, numRuns: 100 });
  });

  it('with any bit changed, or cut at any byte, is refused with the place', async () => {
    const stream = streamOf([20, 1, 300]);
    for (let at = 0; at < stream.length; at += 1) {
      for (const bit of [0, 3, 7]) {
        const bad = Buffer.from(stream);
        bad.writeUInt8(bad.readUInt8(at) ^ (1 << bit), at);
        await expect(read(pieces(bad, 97))).rejects.toMatchObject({
          code: expect.stringMatching(/^IMAGE_(INVALID|UNSUPPORTED)$/),
          message: expect.stringMatching(/^the stream, byte \d+: /),
        });
      }
      await expect(read(pieces(stream.subarray(0, at), 97))).rejects.toMatchObject({
        message: expect.stringContaining(`cut off at byte ${at}`),
      });
    }
  });

  it('whose end does not count what came is refused', async () => {
    const writer = new RecordWriter(BUNDLE_MAGIC);
    const bytes = Buffer.concat([writer.preamble, writer.end({ ...counts, versions: 2 })]);
    await expect(read(pieces(bytes, 1000))).rejects.toMatchObject({
      details: { field: 'versions in the end record', value: 2, expected: '1' },
    });
  });

  it('of which the end has another SHA-256 is refused', async () => {
    const stream = streamOf([20]);
    const { payload } = recordsOf(stream).at(-1) ?? { payload: Buffer.alloc(0) };
    payload.writeUInt8(payload.readUInt8(55) ^ 1, 55);
    const end = encodeRecord('end', [payload]);
    const bad = Buffer.concat([stream.subarray(0, -end.length), end]);
    await expect(read(pieces(bad, 1000))).rejects.toMatchObject({
      details: { field: 'SHA-256 of the stream' },
    });
  });

  it('is not asked for what a record cannot have', async () => {
    const header = Buffer.from(streamOf([])).subarray(0, PREAMBLE_BYTES);
    let asked = 0;
    const endless = async function* () {
      yield Buffer.concat([header, Buffer.from([4, 0xff, 0xff, 0xff, 0xff])]);
      for (;;) {
        asked += 1;
        yield Buffer.alloc(1000);
      }
    };
    await expect(read(endless())).rejects.toMatchObject({ details: { field: 'length of chunk' } });
    expect(asked).toBe(0);
  });
});
