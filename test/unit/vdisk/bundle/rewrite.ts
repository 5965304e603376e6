/** Bundles with something wrong in them that every checksum agrees with. */
import { createHash } from 'node:crypto';
import {
  decodeRecord,
  encodeRecord,
  PREAMBLE_BYTES,
  type RecordKind,
} from '../../../../src/vdisk/bundle/bundle-record.ts';
import { decodeEnd, encodeEnd } from '../../../../src/vdisk/bundle/end-record.ts';

export interface PlainRecord {
  readonly kind: RecordKind;
  readonly payload: Buffer;
}

export function recordsOf(bundle: Buffer): PlainRecord[] {
  const records: PlainRecord[] = [];
  for (let at = PREAMBLE_BYTES; at < bundle.length; ) {
    const record = decodeRecord(bundle.subarray(at));
    if (!('payload' in record)) throw new Error(`no record at ${at}`);
    records.push({ kind: record.kind, payload: Buffer.from(record.payload) });
    at += record.size;
  }
  return records;
}

export function kindsOf(bundle: Buffer): string[] {
  return recordsOf(bundle).map(({ kind }) => kind);
}

/** A bundle of these records, with the end that belongs to them, but for the number of versions and files. */
export function bundleOf(bundle: Buffer, records: readonly PlainRecord[]): Buffer {
  const before = Buffer.concat([
    bundle.subarray(0, PREAMBLE_BYTES),
    ...records
      .filter(({ kind }) => kind !== 'end')
      .map(({ kind, payload }) => encodeRecord(kind, [payload])),
  ]);
  const last = recordsOf(bundle).at(-1);
  const original = decodeEnd(last?.payload ?? Buffer.alloc(0));
  if (original.kind !== 'end') throw new Error('a bundle without an end');
  const end = encodeEnd({
    ...original,
    chunks: records.filter(({ kind }) => kind === 'chunk').length,
    bytes: before.length,
    hash: createHash('sha256').update(before).digest(),
  });
  return Buffer.concat([before, encodeRecord('end', [end])]);
}

/** The same bundle with other words in its head. */
export function withHead(bundle: Buffer, change: (head: Record<string, unknown>) => void): Buffer {
  const records = recordsOf(bundle).map((record) => {
    if (record.kind !== 'head') return record;
    const head: Record<string, unknown> = JSON.parse(record.payload.toString());
    change(head);
    return { kind: record.kind, payload: Buffer.from(JSON.stringify(head)) };
  });
  return bundleOf(bundle, records);
}
