/** What is not the bundle that was written: refused with a reason, and nothing stays. */
import { writeFile } from 'node:fs/promises';
import { zstdCompressSync } from 'node:zlib';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Fault } from '../../../../src/errors/index.ts';
import { ChangeListBuilder } from '../../../../src/vdisk/bundle/change-list.ts';
import { encodeChunk } from '../../../../src/vdisk/bundle/chunk-record.ts';
import { CHUNK_BYTES } from '../../../../src/vdisk/manifest/index.ts';
import { SEED, seededRandom } from '../../../support/seed.ts';
import { coloured, sha } from './chunk-colours.ts';
import { chunks, collect, MemoryServer, pieces, sourceOf } from './memory-server.ts';
import { bundleOf, type PlainRecord, recordsOf, withHead } from './rewrite.ts';

/** Of the places in a bundle, so many bytes apart, each is tried; test/unit/vdisk/bundle/records.test.ts tries all. */
const STEP = 17;

let from: MemoryServer;
let to: MemoryServer;
/** Two versions and a kernel, of chunks that pack well: the bundle is short. */
let bundle: Buffer;
beforeEach(async () => {
  from = await MemoryServer.create();
  to = await MemoryServer.create();
  const one = await from.make(chunks(5, 512), undefined, [
    [0, 2],
    [2, 3],
    [4, 2],
  ]);
  const two = await from.make(one.size, one, [
    [0, 0],
    [1, 2],
    [3, 5],
  ]);
  const kernel = from.newPath();
  await writeFile(kernel, 'this is a kernel');
  const bootFiles = {
    kernel,
    initrd: undefined,
    kernelVersion: '6.1',
    rootPartition: 'p1',
    rootFilesystem: 'ext4',
    rootUuid: undefined,
    initramfs: 'dracut' as const,
    reason: undefined,
    given: false,
  };
  bundle = await collect(from.write(sourceOf([one, two], { bootFiles })));
  expect(bundle.length).toBeLessThan(4000);
});
afterEach(async () => {
  await from.close();
  await to.close();
});

/** Reads what must be refused; nothing may stay. */
async function refusal(stream: AsyncIterable<Buffer>): Promise<Fault> {
  const error: unknown = await to.read(stream).then(
    () => 'it was taken',
    (reason) => reason,
  );
  if (!(error instanceof Fault)) throw error;
  await expectNothing();
  return error;
}

async function expectNothing(): Promise<void> {
  expect(to.begun.filter(({ state }) => state !== 'abandoned')).toEqual([]);
  expect(await to.leftOver()).toEqual([]);
  to.begun.length = 0;
}

describe('a bundle', () => {
  it('cut off anywhere is refused, and says where', async () => {
    for (let length = 0; length < bundle.length; length += length < 2 * STEP ? 1 : STEP) {
      const fault = await refusal(pieces(bundle.subarray(0, length), 700));
      expect(fault.code).toBe('IMAGE_INVALID');
      expect(fault.message).toMatch(new RegExp(`cut off at byte ${length};`));
    }
  });

  it(`with any byte changed is refused (seed ${SEED})`, async () => {
    const random = seededRandom();
    const codes = new Map<string, number>();
    let changed = 0;
    for (let at = 0; at < bundle.length; at += at < 2 * STEP ? 1 : STEP) {
      changed += 1;
      const bad = Buffer.from(bundle);
      bad.writeUInt8(bad.readUInt8(at) ^ (1 + Math.floor(random() * 255)), at);
      const { code } = await refusal(pieces(bad, 1000));
      codes.set(code, (codes.get(code) ?? 0) + 1);
    }
    // The four bytes of the format version say that it is another one.
    expect(Object.fromEntries(codes)).toEqual({
      IMAGE_INVALID: changed - 4,
      IMAGE_UNSUPPORTED: 4,
    });
  });

  it('with something after its end is refused', async () => {
    const longer = Buffer.concat([bundle, Buffer.from('x')]);
    expect((await refusal(pieces(longer, 1000))).details).toMatchObject({ field: 'stream' });
    expect((await refusal(pieces(longer, bundle.length))).details).toMatchObject({
      field: 'stream',
    });
  });

  it('of which a record is missing, moved or doubled is refused', async () => {
    const records = recordsOf(bundle);
    for (const [index, record] of records.entries()) {
      if (record.kind === 'end') continue;
      const rest = records.toSpliced(index, 1);
      await refusal(pieces(bundleOf(bundle, rest), 1000));
      await refusal(pieces(bundleOf(bundle, records.toSpliced(index, 0, record)), 1000));
      if (records[index + 1]?.kind === 'end') continue;
      await refusal(pieces(bundleOf(bundle, rest.toSpliced(index + 1, 0, record)), 1000));
    }
    expect((await to.read(pieces(bundleOf(bundle, records), 1000))).versions).toHaveLength(2);
  });

  it(`whose records are changed, with right checksums, is refused or is another bundle (seed ${SEED})`, async () => {
    const records = recordsOf(bundle);
    const change = fc.record({
      record: fc.nat(records.length - 2),
      place: fc.nat(),
      byte: fc.oneof(fc.nat(255), fc.constantFrom(0, 1, 255)),
      cut: fc.boolean(),
    });
    const property = fc.asyncProperty(change, async ({ record: index, place, byte, cut }) => {
      const record = records[index];
      if (record === undefined) return;
      const payload = Buffer.from(record.payload);
      const at = place % payload.length;
      if (cut && at < 1) return;
      if (!cut) payload.writeUInt8(byte, at);
      const changed = { kind: record.kind, payload: cut ? payload.subarray(0, at) : payload };
      const stream = pieces(bundleOf(bundle, records.with(index, changed)), 1000);
      const outcome = await to.read(stream).catch((error: unknown) => error);
      if (outcome instanceof Error) {
        expect(outcome).toBeInstanceOf(Fault);
        expect((outcome as Fault).code).toMatch(/IMAGE_INVALID|NOT_FOUND|LIMIT_EXCEEDED/);
        await expectNothing();
        return;
      }
      // Words in the head may be others; what is on the disks may not.
      const wanted = [...from.held.keys()];
      expect(to.begun.map((version) => version.contentId()).sort()).toEqual(wanted.sort());
      to.begun.length = 0;
    });
    await fc.assert(property, { seed: SEED, numRuns: 200 });
  });
});

describe('what every checksum agrees with', () => {
  const changed = (kind: string, change: (payload: Buffer) => Buffer): Buffer => {
    const records = recordsOf(bundle);
    const index = records.findIndex((record) => record.kind === kind);
    const record = records[index];
    if (record === undefined) throw new Error(`no ${kind}`);
    return bundleOf(bundle, records.with(index, { ...record, payload: change(record.payload) }));
  };

  it('may be a chunk of another hash, packed or not', async () => {
    const other = coloured(9);
    const packed = zstdCompressSync(other);
    for (const [encoding, stored] of [other, packed, packed.subarray(1)].entries()) {
      const bad = changed('chunk', (payload) => {
        const fixed = Buffer.from(payload.subarray(0, 37));
        fixed.writeUInt8(Math.min(1, encoding), 36);
        return Buffer.concat([fixed, stored]);
      });
      const fault = await refusal(pieces(bad, 1000));
      expect(fault.message).toBe('version 1, chunk 0: the chunk that came is damaged');
    }
  });

  it('may be a chunk that unpacks to more or to less than it says', async () => {
    const records = recordsOf(bundle);
    for (const [index, { kind, payload }] of records.entries()) {
      if (kind !== 'chunk') continue;
      const bad = Buffer.from(payload);
      bad.writeUInt32BE(payload.readUInt32BE(32) === 65_536 ? 65_000 : 65_536, 32);
      const stream = pieces(bundleOf(bundle, records.with(index, { kind, payload: bad })), 1000);
      expect((await refusal(stream)).message).toContain('the chunk that came is damaged');
    }
  });

  it('may be another kernel, or a longer one', async () => {
    const other = changed('file', (payload) => Buffer.alloc(payload.length, 'x'));
    expect((await refusal(pieces(other, 1000))).details).toMatchObject({
      field: 'SHA-256 of a boot file',
    });
    const longer = changed('file', (payload) => Buffer.concat([payload, Buffer.from('x')]));
    expect((await refusal(pieces(longer, 1000))).message).toContain('17; expected 16 bytes');
  });

  it('may be changes whose records do not rise', async () => {
    const records = recordsOf(bundle);
    const [head, first, ...rest] = records;
    if (head === undefined || first === undefined) throw new Error('no changes');
    const open = Buffer.from(first.payload);
    open.writeUInt8(0, 4);
    const twice = [head, { ...first, payload: open }, first, ...rest];
    expect((await refusal(pieces(bundleOf(bundle, twice), 1000))).details).toMatchObject({
      field: 'first chunk',
      value: 0,
      expected: '5 or more',
    });
  });

  it('may be another size of a version that is here', async () => {
    const versions = [...from.held.values()];
    const one = versions[0];
    if (one === undefined) throw new Error('no version');
    await to.hold(one);
    const receiverHas = new Set([one.contentId()]);
    const part = await collect(from.write(sourceOf(versions), { receiverHas }));
    const bad = withHead(part, (head) => {
      Object.assign((head['versions'] as object[])[0] ?? {}, { size: 65_536 });
    });
    expect((await refusal(pieces(bad, 1000))).details).toMatchObject({
      field: 'size',
      value: 65_536,
    });
  });
});

describe('the head', () => {
  const versionOf = (head: Record<string, unknown>, index: number): Record<string, unknown> =>
    (head['versions'] as Record<string, unknown>[])[index] ?? {};
  const wrong: [field: string, change: (head: Record<string, unknown>) => void][] = [
    ['chunkBytes', (head) => Object.assign(head, { chunkBytes: 4096 })],
    ['name', (head) => Object.assign(head, { name: 7 })],
    ['compression', (head) => Object.assign(head, { compression: 'rot13' })],
    ['versions', (head) => Object.assign(head, { versions: [] })],
    ['versions', (head) => Object.assign(head, { versions: 'all' })],
    ['versions[1].number', (head) => Object.assign(versionOf(head, 1), { number: 1 })],
    ['versions[0].number', (head) => Object.assign(versionOf(head, 0), { number: 1.5 })],
    ['versions[0].parentNumber', (head) => Object.assign(versionOf(head, 0), { parentNumber: 2 })],
    ['versions[1].parentNumber', (head) => Object.assign(versionOf(head, 1), { parentNumber: 2 })],
    ['versions[0].contentId', (head) => Object.assign(versionOf(head, 0), { contentId: 'ABC' })],
    ['versions[0].size', (head) => Object.assign(versionOf(head, 0), { size: 2 ** 45 })],
    ['versions[0].sent', (head) => Object.assign(versionOf(head, 0), { sent: 'yes' })],
    ['versions[0].state', (head) => Object.assign(versionOf(head, 0), { state: 'x'.repeat(5000) })],
    ['versions[0].bootFiles', (head) => Object.assign(versionOf(head, 0), { bootFiles: [] })],
    ['versions[0].bootFiles.kernel', (head) => Object.assign(head, { files: [] })],
    [
      'files[0].size',
      (head) => Object.assign(head, { files: [{ sha256: '0'.repeat(64), size: 0 }] }),
    ],
  ];
  it.each(wrong)(
    'with a wrong %s is refused by that name, and nothing is begun',
    async (field, change) => {
      const { code, details } = await refusal(pieces(withHead(bundle, change), 1000));
      expect({ code, field: details.field }).toEqual({ code: 'IMAGE_INVALID', field });
      expect(to.heads).toEqual([]);
    },
  );

  it('may have fields that are not known yet', async () => {
    const more = withHead(bundle, (head) => Object.assign(head, { colour: 'blue' }));
    expect((await to.read(pieces(more, 1000))).versions).toHaveLength(2);
  });

  it('that is no JSON, or no UTF-8, is refused', async () => {
    for (const payload of [Buffer.from('{"'), Buffer.from('[]'), Buffer.from('"\xff"', 'latin1')]) {
      const records = recordsOf(bundle).with(0, { kind: 'head', payload });
      const fault = await refusal(pieces(bundleOf(bundle, records), 1000));
      expect(fault).toMatchObject({ code: 'IMAGE_INVALID', details: { field: 'JSON' } });
    }
  });

  it('that names a version which the server should have, and has not, is refused', async () => {
    const one = [...from.held.values()][0];
    const versions = sourceOf([...from.held.values()]);
    const receiverHas = new Set([one?.contentId() ?? '']);
    const fault = await refusal(from.write(versions, { receiverHas }));
    expect(fault).toMatchObject({ code: 'NOT_FOUND', details: { field: 'contentId' } });
    expect(fault.message).toContain('version 1 ');
  });

  it('is shown to the server first, which may not want it', async () => {
    to.accept = async () => {
      throw new Fault('ALREADY_EXISTS', 'there is a vDisk of that name');
    };
    expect((await refusal(pieces(bundle, 1000))).code).toBe('ALREADY_EXISTS');
  });
});

describe('the content', () => {
  /** The bundle of one version, with another list of changes and other chunks. */
  async function forged(
    size: number,
    changes: readonly (readonly [number, Buffer])[],
    carried: readonly Buffer[],
  ): Promise<Buffer> {
    const server = await MemoryServer.create();
    const plain = await server.make(size, undefined, []);
    const base = await collect(server.write(sourceOf([plain])));
    await server.close();
    const builder = new ChangeListBuilder(1);
    const { ContentId } = await import('../../../../src/vdisk/manifest/index.ts');
    const id = new ContentId(size);
    for (const [chunk, bytes] of changes) {
      builder.add({ chunk, hash: sha(bytes) });
      id.add(chunk, sha(bytes));
    }
    const contentId = id.finish();
    const records = recordsOf(base).flatMap((record): PlainRecord[] => {
      if (record.kind === 'changes') {
        const chunkRecords = carried.map((bytes): PlainRecord => {
          const fields = { hash: sha(bytes), length: bytes.length, packed: false, stored: bytes };
          return { kind: 'chunk', payload: Buffer.concat([...encodeChunk(fields)]) };
        });
        return [{ kind: 'changes', payload: builder.finish() }, ...chunkRecords];
      }
      return [record];
    });
    return withHead(bundleOf(base, records), (head) => {
      Object.assign((head['versions'] as object[])[0] ?? {}, { contentId });
    });
  }

  it('made by hand is taken when it is right', async () => {
    const good = await forged(chunks(2, 512), [[1, coloured(2, 65_024)]], [coloured(2, 65_024)]);
    expect((await to.read(pieces(good, 9000))).chunksReceived).toBe(1);
  });

  it('must not give zeroes as data', async () => {
    const zeroes = Buffer.alloc(CHUNK_BYTES);
    const fault = await refusal(pieces(await forged(chunks(2), [[1, zeroes]], [zeroes]), 9000));
    expect(fault.message).toBe('version 1, chunk 1: zeroes are given as data');
  });

  it('must not give a chunk that is too long or too short for its place', async () => {
    const long = coloured(2);
    const short = coloured(2, 1000);
    for (const bytes of [long, short]) {
      const bad = await forged(chunks(2, 512), [[1, bytes]], [bytes]);
      expect((await refusal(pieces(bad, 9000))).message).toBe(
        `version 1, chunk 1: the chunk has ${bytes.length} bytes`,
      );
    }
  });

  it('must not name a chunk beyond the end of the disk', async () => {
    const bad = await forged(chunks(2), [[2, coloured(2)]], [coloured(2)]);
    expect((await refusal(pieces(bad, 9000))).message).toContain('chunk 2 is beyond the end');
  });

  it('must be in the bundle or here', async () => {
    const bad = await forged(chunks(2), [[1, coloured(2)]], []);
    const fault = await refusal(pieces(bad, 9000));
    expect(fault).toMatchObject({
      code: 'NOT_FOUND',
      details: { value: sha(coloured(2)).toString('hex') },
    });
    expect(fault.message).toContain('version 1, chunk 1: ');
  });

  it('must not have chunks that no version uses', async () => {
    const bad = await forged(chunks(2), [[1, coloured(2)]], [coloured(2), coloured(3)]);
    expect((await refusal(pieces(bad, 9000))).details).toMatchObject({
      field: 'record',
      value: 'chunk',
      expected: 'end',
    });
  });
});
