import { describe, expect, it } from 'vitest';
import { RpcCall } from '../../../../src/adapters/nfs/rpc/call.ts';
import { ReplyReader } from '../../../../src/adapters/nfs/rpc/reply-reader.ts';
import { type XdrReader, XdrWriter } from '../../../../src/adapters/nfs/wire/xdr.ts';
import { seededRandom } from '../../../support/seed.ts';
import { filled } from './bench.ts';

/** Results: a number of bytes, and the bytes. */
class ReadLike extends RpcCall {
  outcome = 'waits';
  readonly #target: Buffer | undefined;

  constructor(xid: number, target: Buffer | undefined) {
    super(true);
    this.xid = xid;
    this.#target = target;
  }

  override get target(): Buffer | undefined {
    return this.#target;
  }
  override get frameBytes(): number {
    return 0;
  }
  override get replyBytes(): number {
    return 5000;
  }
  override encode(): number {
    return 0;
  }
  override results(reader: XdrReader): number {
    const length = reader.u32();
    if (this.#target === undefined) reader.skip(length);
    return reader.ok ? length : -1;
  }
  override done(): void {
    this.outcome = 'done';
  }
  override fail(): void {
    this.outcome = 'failed';
  }
}

function reply(xid: number, data: Buffer, status = 0): Buffer {
  const writer = new XdrWriter().u32(xid).u32(1).u32(0).u32(0).u32(0).u32(status).opaque(data);
  return Buffer.from(writer.bytes());
}

function marked(record: Buffer, ...cuts: number[]): Buffer {
  const pieces: Buffer[] = [];
  const ends = [...cuts, record.length];
  ends.forEach((end, index) => {
    const piece = record.subarray(ends[index - 1] ?? 0, end);
    const mark = Buffer.alloc(4);
    mark.writeUInt32BE((index === ends.length - 1 ? 0x8000_0000 : 0) + piece.length);
    pieces.push(mark, piece);
  });
  return Buffer.concat(pieces);
}

function bench(...calls: ReadLike[]) {
  const waiting = new Map(calls.map((call) => [call.xid, call]));
  const reader = new ReplyReader({
    find: (xid) => waiting.get(xid),
    answered: (call) => {
      waiting.delete(call.xid);
      call.done();
    },
    refused: (call) => {
      waiting.delete(call.xid);
      (call as ReadLike).fail();
    },
  });
  return { reader, waiting };
}

describe('the reader of replies', () => {
  const SHORT = filled(101);
  const LONG = filled(3001, 5);

  it('reads the same wherever the bytes are cut', () => {
    const bytes = Buffer.concat([
      marked(reply(1, SHORT)),
      marked(reply(2, LONG), 3, 9, 700, 701),
      marked(reply(99, SHORT)), // of nobody
      marked(reply(3, SHORT), 0),
    ]);
    for (let cut = 0; cut <= bytes.length; cut += 1) {
      const calls = [
        new ReadLike(1, Buffer.alloc(101)),
        new ReadLike(2, Buffer.alloc(3001)),
        new ReadLike(3, undefined),
      ];
      const { reader } = bench(...calls);
      expect(reader.push(bytes.subarray(0, cut))).toBeUndefined();
      expect(reader.push(bytes.subarray(cut))).toBeUndefined();
      expect(calls.map(({ outcome }) => outcome)).toEqual(['done', 'done', 'done']);
      expect(calls[0]?.target?.equals(SHORT)).toBe(true);
      expect(calls[1]?.target?.equals(LONG)).toBe(true);
    }
  });

  it('reads byte by byte', () => {
    const call = new ReadLike(2, Buffer.alloc(3001));
    const { reader } = bench(call);
    for (const byte of marked(reply(2, LONG), 50, 100)) reader.push(Buffer.of(byte));
    expect(call.outcome).toBe('done');
    expect(call.target?.equals(LONG)).toBe(true);
  });

  it('never throws on mutated bytes, and takes no more memory than a record', () => {
    const random = seededRandom();
    const good = Buffer.concat([marked(reply(1, SHORT)), marked(reply(2, LONG), 3, 700)]);
    for (let round = 0; round < 3000; round += 1) {
      const bytes = Buffer.from(good);
      for (let change = 0; change < 4; change += 1) {
        bytes[Math.floor(random() * bytes.length)] = Math.floor(random() * 256);
      }
      const { reader } = bench(
        new ReadLike(1, Buffer.alloc(101)),
        new ReadLike(2, Buffer.alloc(3001)),
      );
      for (let at = 0; at < bytes.length; ) {
        const next = at + 1 + Math.floor(random() * 2000);
        if (reader.push(bytes.subarray(at, next)) !== undefined) break;
        at = next;
      }
    }
  });

  it.each([
    ['more data than was asked for', reply(1, filled(200))],
    ['more data than was asked for, and much', reply(1, filled(2000))],
    ['data that is not there', reply(1, SHORT).subarray(0, 60)],
    ['a call', Buffer.from([0, 0, 0, 1, 0, 0, 0, 0])],
    ['nothing but the xid', Buffer.from([0, 0, 0, 1])],
  ])('fails a call whose answer is %s', (_, record) => {
    for (const bytes of [marked(record), marked(record, 4)]) {
      const call = new ReadLike(1, Buffer.alloc(101));
      const { reader } = bench(call);
      expect(reader.push(bytes.subarray(0, 10))).toBeUndefined();
      expect(reader.push(bytes.subarray(10))).toBeUndefined();
      expect(call.outcome).toBe('failed');
    }
  });

  it('fails a call whose answer is longer than such answers are', () => {
    const call = new ReadLike(1, undefined);
    const { reader } = bench(call);
    const bytes = marked(reply(1, filled(6000)));
    reader.push(bytes.subarray(0, 2000));
    reader.push(bytes.subarray(2000));
    expect(call.outcome).toBe('failed');
  });

  it('leaves the memory of a call alone that has given up in the middle', () => {
    const call = new ReadLike(1, Buffer.alloc(3001));
    const { reader, waiting } = bench(call);
    const bytes = marked(reply(1, LONG));
    reader.push(bytes.subarray(0, 1000));
    waiting.delete(1);
    const target = call.target ?? Buffer.alloc(0);
    target.fill(0);
    reader.push(bytes.subarray(1000));
    expect(target.every((byte) => byte === 0)).toBe(true);
    expect(call.outcome).toBe('waits');
  });
});
