/** The codecs of a bundle: what was written comes back, whatever is cut off is waited for, and nothing else is taken. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Fault } from '../../../../src/errors/index.ts';
import { decodeHead } from '../../../../src/vdisk/bundle/bundle-head.ts';
import {
  BUNDLE_MAGIC,
  CHUNKS_MAGIC,
  decodePreamble,
  decodeRecord,
  encodePreamble,
  encodeRecord,
  PREAMBLE_BYTES,
  type RecordKind,
} from '../../../../src/vdisk/bundle/bundle-record.ts';
import {
  type Change,
  ChangeListBuilder,
  dataOf,
  decodeChanges,
} from '../../../../src/vdisk/bundle/change-list.ts';
import { decodeChunk, encodeChunk } from '../../../../src/vdisk/bundle/chunk-record.ts';
import { decodeChunkRequest } from '../../../../src/vdisk/bundle/chunk-request.ts';
import { decodeEnd, encodeEnd } from '../../../../src/vdisk/bundle/end-record.ts';
import {
  CHUNK_REQUEST_BYTES_MAX,
  decodeInventory,
  encodeChunkRequest,
  encodeInventory,
  INVENTORY_FILE_BYTES_MAX,
  readChunkRequest,
} from '../../../../src/vdisk/bundle/index.ts';
import { SEED } from '../../../support/seed.ts';

const LEAST: Readonly<Record<RecordKind, number>> = {
  head: 2,
  changes: 5,
  file: 1,
  chunk: 38,
  end: 56,
};
const MOST: Readonly<Record<RecordKind, number>> = {
  head: 2 * 2 ** 20,
  changes: 256 * 1024,
  file: 256 * 1024,
  chunk: 37 + 65_536,
  end: 56,
};
const kinds = Object.keys(LEAST) as RecordKind[];
const hash = fc.uint8Array({ minLength: 32, maxLength: 32 }).map((bytes) => Buffer.from(bytes));

describe('a record', () => {
  it('comes back as it was, and is waited for wherever it is cut', () => {
    const kindAndPayload = fc
      .constantFrom(...kinds)
      .chain((kind) =>
        fc
          .uint8Array({ minLength: LEAST[kind], maxLength: Math.min(MOST[kind], 300) })
          .map((payload) => ({ kind, payload: Buffer.from(payload) })),
      );
    const property = fc.property(kindAndPayload, fc.nat(300), ({ kind, payload }, split) => {
      const record = encodeRecord(kind, [payload.subarray(0, split), payload.subarray(split)]);
      const more = Buffer.concat([record, Buffer.from('more')]);
      expect(decodeRecord(more)).toEqual({ kind, payload, size: record.length });
      for (let end = 0; end < record.length; end += 1) {
        const bytes = end < 5 ? 5 : record.length;
        expect(decodeRecord(record.subarray(0, end))).toEqual({ kind: 'need-more', bytes });
      }
    });
    fc.assert(property, { seed: SEED, numRuns: 50 });
  });

  it('with any bit changed is another length that is waited for, or refused', () => {
    for (const kind of kinds) {
      const record = encodeRecord(kind, [Buffer.alloc(LEAST[kind] + (kind === 'end' ? 0 : 9), 7)]);
      for (let bit = 0; bit < record.length * 8; bit += 1) {
        const bad = Buffer.from(record);
        bad.writeUInt8(bad.readUInt8(bit >> 3) ^ (1 << (bit & 7)), bit >> 3);
        const found = decodeRecord(bad);
        if (found.kind === 'need-more') expect([1, 2, 3, 4]).toContain(bit >> 3);
        else expect(found.kind).toBe('violation');
      }
    }
  });

  it('that is too long or too short for its kind is refused by its first five bytes', () => {
    for (const kind of kinds) {
      const header = encodeRecord(kind, [Buffer.alloc(LEAST[kind])]).subarray(0, 5);
      for (const length of [0, LEAST[kind] - 1, MOST[kind] + 1, 2 ** 32 - 1]) {
        header.writeUInt32BE(length, 1);
        expect(decodeRecord(header)).toMatchObject({
          kind: 'violation',
          field: `length of ${kind}`,
        });
      }
      header.writeUInt32BE(MOST[kind], 1);
      expect(decodeRecord(header)).toEqual({ kind: 'need-more', bytes: MOST[kind] + 9 });
    }
    expect(decodeRecord(Buffer.from([6, 0, 0, 0, 1]))).toMatchObject({ field: 'record kind' });
  });

  it('is never found in bytes that only look like one', () => {
    const property = fc.property(
      fc.uint8Array({ maxLength: 400 }),
      fc.integer({ min: 0, max: 6 }),
      (bytes, kind) => {
        const source = Buffer.from(bytes);
        if (source.length >= 5) {
          source.writeUInt8(kind, 0);
          source.writeUInt32BE(source.readUInt8(4), 1);
        }
        expect(['need-more', 'violation']).toContain(decodeRecord(source).kind);
      },
    );
    fc.assert(property, { seed: SEED, numRuns: 1000 });
  });
});

describe('the beginning of a stream', () => {
  it('says what it is, and of which version', () => {
    for (const magic of [BUNDLE_MAGIC, CHUNKS_MAGIC] as const) {
      const preamble = encodePreamble(magic);
      expect(decodePreamble(preamble, magic)).toEqual({ kind: 'preamble' });
      for (let at = 0; at < preamble.length; at += 1) {
        expect(decodePreamble(preamble.subarray(0, at), magic)).toEqual({
          kind: 'need-more',
          bytes: PREAMBLE_BYTES,
        });
        const bad = Buffer.from(preamble);
        bad.writeUInt8(bad.readUInt8(at) ^ 0x40, at);
        const wanted = at < 8 ? { field: 'magic' } : { field: 'format version', unsupported: true };
        expect(decodePreamble(bad, magic)).toMatchObject({ kind: 'violation', ...wanted });
      }
    }
    expect(decodePreamble(encodePreamble(CHUNKS_MAGIC), BUNDLE_MAGIC)).toMatchObject({
      value: '"RCCHUNK\\n"',
    });
  });
});

describe('a list of changes', () => {
  const changes = fc
    .uniqueArray(fc.tuple(fc.nat(3000), fc.option(hash, { nil: undefined })), {
      selector: ([chunk]) => chunk,
      maxLength: 300,
    })
    .map((pairs) =>
      pairs
        .map(([chunk, value]): Change => ({ chunk, hash: value }))
        .sort((a, b) => a.chunk - b.chunk),
    );

  function payloadsOf(all: readonly Change[], version = 7): Buffer[] {
    const builder = new ChangeListBuilder(version);
    const payloads = all.flatMap((change) => builder.add(change) ?? []);
    return [...payloads, builder.finish()];
  }

  function changesIn(payload: Buffer): Change[] {
    const list = decodeChanges(payload);
    if (list.kind !== 'changes') throw new Error(list.field);
    return list.runs.flatMap((run): Change[] =>
      run.hashes === undefined
        ? Array.from({ length: run.count }, (_, i) => ({ chunk: run.first + i, hash: undefined }))
        : [...dataOf(run)],
    );
  }

  it('comes back as it was, in as few runs as there are', () => {
    const property = fc.property(changes, (all) => {
      const [payload = Buffer.alloc(0), ...rest] = payloadsOf(all);
      expect(rest).toEqual([]);
      expect(changesIn(payload)).toEqual(all);
      const list = decodeChanges(payload);
      expect(list).toMatchObject({ version: 7, last: true });
      const breaks = all.filter(({ chunk, hash: own }, index) => {
        const before = all[index - 1];
        const sameKind = (before?.hash === undefined) === (own === undefined);
        return before === undefined || before.chunk + 1 !== chunk || !sameKind;
      });
      expect(list).toHaveProperty('runs.length', breaks.length);
    });
    fc.assert(property, { seed: SEED, numRuns: 200 });
  });

  it('is cut into records that are full but not too long', () => {
    const all = Array.from({ length: 30_000 }, (_, index): Change => {
      const chunk = index + Math.floor(index / 5);
      return { chunk, hash: index % 7 === 0 ? undefined : Buffer.alloc(32, index) };
    });
    const payloads = payloadsOf(all, 2 ** 32 - 1);
    expect(payloads.length).toBe(4);
    for (const payload of payloads.slice(0, -1)) {
      expect(payload.length).toBeGreaterThan(256 * 1024 - 64);
      expect(decodeChanges(payload)).toMatchObject({ last: false, version: 2 ** 32 - 1 });
    }
    expect(Math.max(...payloads.map(({ length }) => length))).toBeLessThanOrEqual(256 * 1024);
    expect(payloads.flatMap(changesIn)).toEqual(all);
  });

  it('cut at any byte is refused or ends with a whole run', () => {
    const [payload = Buffer.alloc(0)] = payloadsOf([
      { chunk: 3, hash: Buffer.alloc(32, 1) },
      { chunk: 4, hash: Buffer.alloc(32, 2) },
      { chunk: 5, hash: undefined },
      { chunk: 9, hash: undefined },
    ]);
    const whole = [5, 5 + 9 + 64, 5 + 9 + 64 + 9];
    for (let end = 0; end < payload.length; end += 1) {
      const { kind } = decodeChanges(payload.subarray(0, end));
      expect([end, kind]).toEqual([end, whole.includes(end) ? 'changes' : 'violation']);
    }
  });

  it('of any bytes is a list in rising order, or refused', () => {
    const words = fc.array(fc.oneof(fc.nat(20), fc.nat(0xff), fc.constant(0xff)), {
      maxLength: 60,
    });
    const property = fc.property(words, (bytes) => {
      const list = decodeChanges(Buffer.from(bytes));
      if (list.kind === 'violation') return;
      let next = 0;
      for (const run of list.runs) {
        expect(run.first).toBeGreaterThanOrEqual(next);
        expect(run.count).toBeGreaterThan(0);
        if (run.hashes !== undefined) expect(run.hashes.length).toBe(run.count * 32);
        next = run.first + run.count;
      }
    });
    fc.assert(property, { seed: SEED, numRuns: 3000 });
  });
});

describe('a chunk', () => {
  it('comes back as it was; its lengths must agree', () => {
    const length = fc.integer({ min: 1, max: 65_536 });
    const property = fc.property(
      hash,
      length,
      length,
      fc.boolean(),
      (name, whole, part, packed) => {
        const stored = Buffer.alloc(part, 5);
        const chunk = { hash: name, length: whole, packed, stored };
        const decoded = decodeChunk(Buffer.concat([...encodeChunk(chunk)]));
        if (packed ? part < whole : part === whole) {
          expect(decoded).toEqual({ kind: 'chunk', ...chunk });
        } else expect(decoded).toMatchObject({ field: 'stored bytes of a chunk' });
      },
    );
    fc.assert(property, { seed: SEED, numRuns: 50 });
  });

  it('of any bytes is one, or refused', () => {
    const property = fc.property(fc.uint8Array({ maxLength: 80 }), (bytes) => {
      const payload = Buffer.from(bytes);
      if (payload.length > 37) payload.writeUInt32BE(payload.length - 37, 32);
      const found = decodeChunk(payload);
      expect(['chunk', 'violation']).toContain(found.kind);
      if (payload.length < 38) expect(found.kind).toBe('violation');
    });
    fc.assert(property, { seed: SEED, numRuns: 1000 });
  });
});

describe('a request for chunks', () => {
  it('comes back as it was; cut or longer it is none', () => {
    const property = fc.property(fc.array(hash, { minLength: 1, maxLength: 40 }), (hashes) => {
      const body = encodeChunkRequest(hashes);
      expect(readChunkRequest(body)).toEqual(hashes);
      for (let end = 0; end < body.length; end += 1) {
        const bytes = end < 4 ? 4 : body.length;
        expect(decodeChunkRequest(body.subarray(0, end))).toEqual({ kind: 'need-more', bytes });
        expect(() => readChunkRequest(body.subarray(0, end))).toThrow(Fault);
      }
      const longer = Buffer.concat([body, Buffer.alloc(1)]);
      expect(() => readChunkRequest(longer)).toThrow(/a request for chunks: request is/);
    });
    fc.assert(property, { seed: SEED, numRuns: 20 });
  });

  it('has a limit, which is seen by its first four bytes', () => {
    const most = Array.from({ length: 4096 }, () => Buffer.alloc(32));
    expect(encodeChunkRequest(most)).toHaveLength(CHUNK_REQUEST_BYTES_MAX);
    expect(() => encodeChunkRequest([...most, Buffer.alloc(32)])).toThrow(RangeError);
    expect(() => encodeChunkRequest([])).toThrow(RangeError);
    for (const count of [0, 4097, 2 ** 32 - 1]) {
      const body = Buffer.alloc(4);
      body.writeUInt32BE(count);
      expect(decodeChunkRequest(body)).toMatchObject({ kind: 'violation', value: count });
    }
  });
});

describe('an inventory file', () => {
  it('comes back as it was, and nothing else is one', () => {
    const ids = ['ab'.repeat(32), '01'.repeat(32)];
    const file = encodeInventory([...ids, ...ids]);
    expect(JSON.parse(file.toString())).toEqual({ contentIds: ids.toSorted() });
    expect(decodeInventory(file)).toEqual(new Set(ids));
    const refused = ['', '[]', '{}', '{"contentIds":["AB"]}', '{"contentIds":[7]}', 'null'];
    for (const text of refused) {
      expect(() => decodeInventory(Buffer.from(text))).toThrow(Fault);
    }
    expect(() => decodeInventory(Buffer.alloc(INVENTORY_FILE_BYTES_MAX + 1, 32))).toThrow(Fault);
    for (let end = 0; end < file.length - 2; end += 1) {
      expect(() => decodeInventory(file.subarray(0, end))).toThrow(Fault);
    }
  });
});

describe('the head', () => {
  it('of any JSON is refused by a name', () => {
    const property = fc.property(fc.jsonValue(), (value) => {
      const text = JSON.stringify(value);
      expect(decodeHead(Buffer.from(text))).toMatchObject({ kind: 'violation' });
      const typed = {
        chunkBytes: 65_536,
        name: '',
        description: '',
        files: value,
        versions: value,
      };
      expect(decodeHead(Buffer.from(JSON.stringify(typed)))).toMatchObject({ kind: 'violation' });
    });
    fc.assert(property, { seed: SEED, numRuns: 500 });
  });
});

describe('the end', () => {
  it('comes back as it was', () => {
    const end = {
      versions: 3,
      files: 2 ** 32 - 1,
      chunks: 2 ** 40 + 1,
      bytes: 2 ** 50 + 3,
      hash: Buffer.alloc(32, 9),
    };
    expect(decodeEnd(encodeEnd(end))).toEqual({ kind: 'end', ...end });
    expect(decodeEnd(Buffer.alloc(55))).toMatchObject({ kind: 'violation' });
  });
});
