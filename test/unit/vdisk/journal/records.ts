/** Records for the tests of the journal. */
import fc from 'fast-check';
import type { JournalRecord } from '../../../../src/vdisk/journal/journal-format.ts';

const utf8Bytes = (text: string): number => Buffer.byteLength(text);

/** Any record that the format can hold, with little data. */
export const anyRecord: fc.Arbitrary<JournalRecord> = fc.record({
  key: fc
    .oneof(
      fc.string({ minLength: 1, maxLength: 60 }),
      fc.string({ unit: 'grapheme', minLength: 1 }),
    )
    .filter((key) => utf8Bytes(key) <= 255),
  incarnation: fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
  sequence: fc.nat({ max: Number.MAX_SAFE_INTEGER }),
  ranges: fc.array(fc.record({ from: fc.nat({ max: 2 ** 30 }), to: fc.nat({ max: 2 ** 30 }) }), {
    maxLength: 64,
  }),
  data: fc.uint8Array({ maxLength: 700 }).map((bytes) => Buffer.from(bytes)),
});

/** A record of one range with so many bytes of data, all of them `fill`. */
export function record(sequence: number, bytes: number, fill = sequence % 251): JournalRecord {
  return {
    key: 'overlay',
    incarnation: 7n,
    sequence,
    ranges: [{ from: 0, to: Math.ceil(bytes / 4096) }],
    data: Buffer.alloc(bytes, fill),
  };
}
