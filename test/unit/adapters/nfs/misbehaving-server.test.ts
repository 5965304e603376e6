import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { WriteMemory } from '../../../../src/adapters/nfs/file/write-memory.ts';
import { type BlockDevice, FUA, PLAIN } from '../../../../src/block/index.ts';
import type { Misdeed, SeenCall } from '../../../support/nfs-fake-server.ts';
import { seededRandom } from '../../../support/seed.ts';
import { codeOf, filled, NfsBench } from './bench.ts';

const SIZE = 300_000;

describe('an NFS volume on a server that misbehaves', () => {
  let bench: NfsBench;

  beforeEach(async () => {
    bench = await new NfsBench().start();
  });
  afterEach(() => bench.stop());

  /** Once, for the first call that it fits. */
  function once(procedure: SeenCall['procedure'], misdeed: Misdeed): () => boolean {
    let done = false;
    bench.server.misdeed = (call) => {
      if (done || call.procedure !== procedure) return undefined;
      done = true;
      return misdeed;
    };
    return () => done;
  }

  async function expectContent(device: BlockDevice, wanted: Buffer): Promise<void> {
    const back = Buffer.alloc(wanted.length);
    await device.read(back, 0);
    expect(back.equals(wanted)).toBe(true);
  }

  function stable(): Buffer {
    const file = bench.server.files.get('v0.volume');
    if (file === undefined) throw new Error('no file');
    return file.stable;
  }

  describe('reads all the same when', () => {
    const byte = (mark: number): Buffer => {
      const bytes = Buffer.alloc(4);
      bytes.writeUInt32BE(mark >>> 0);
      return bytes;
    };
    const fragments = (record: Buffer, size: number): Buffer => {
      const pieces: Buffer[] = [];
      for (let at = 4; at < record.length; at += size) {
        const piece = record.subarray(at, at + size);
        const last = at + size >= record.length;
        pieces.push(byte((last ? 0x8000_0000 : 0) + piece.length), piece);
      }
      return Buffer.concat(pieces);
    };
    const cases: [string, Misdeed][] = [
      ['reads are short', { kind: 'short', bytes: 1000 }],
      ['the connection closes before the answer', { kind: 'close', execute: true }],
      ['the connection closes instead of it', { kind: 'close', execute: false }],
      [
        'it closes in the middle of a record',
        { kind: 'bytes', of: (r) => r.subarray(0, 5000), close: true },
      ],
      [
        'it closes in the middle of a record mark',
        { kind: 'bytes', of: (r) => r.subarray(0, 2), close: true },
      ],
      ['records come in fragments', { kind: 'bytes', of: (r) => fragments(r, 333) }],
      ['records come in tiny fragments', { kind: 'bytes', of: (r) => fragments(r, 7) }],
      ['fragments are empty', { kind: 'bytes', of: (r) => Buffer.concat([byte(0), byte(0), r]) }],
      ['a fragment is huge', { kind: 'bytes', of: () => byte(0xffff_ffff) }],
      [
        'fragments add up to a huge record',
        {
          kind: 'bytes',
          of: () => Buffer.concat([byte(1_000_000), Buffer.alloc(1_000_000), byte(0x0fff_ffff)]),
        },
      ],
      ['an answer comes twice', { kind: 'bytes', of: (r) => Buffer.concat([r, r]) }],
      ['it says later (JUKEBOX)', { kind: 'status', status: 10_008 }],
      [
        'an answer has the xid of nobody, and the right one never comes',
        {
          kind: 'bytes',
          of: (r) => {
            const other = Buffer.from(r);
            other.writeUInt32BE((r.readUInt32BE(4) ^ 0x5555) >>> 0, 4);
            return other;
          },
          close: true,
        },
      ],
    ];
    it.each(cases)('%s', async (_, misdeed) => {
      const content = filled(SIZE);
      const device = await bench.device(content);
      const happened = once('read', misdeed);
      await expectContent(device, content);
      expect(happened()).toBe(true);
      expect(bench.lost).toEqual([]);
    });
  });

  it('sends the same call again, with the same xid, when its answer is lost', async () => {
    const device = await bench.device(filled(SIZE));
    once('write', { kind: 'close', execute: true });
    await device.write(filled(100), 50, PLAIN);
    const writes = bench.server.seen.filter(({ procedure }) => procedure === 'write');
    expect(writes.length).toBe(2);
    expect(writes[0]?.xid).toBe(writes[1]?.xid);
  });

  it('sends a call that was put off again with another xid', async () => {
    const device = await bench.device(filled(SIZE));
    once('write', { kind: 'status', status: 10_008 });
    await device.write(filled(100), 50, PLAIN);
    const writes = bench.server.seen.filter(({ procedure }) => procedure === 'write');
    expect(writes.length).toBe(2);
    expect(writes[0]?.xid).not.toBe(writes[1]?.xid);
  });

  it('opens a file once for all its handles in a thread, and again when the last one is closed', async () => {
    bench.server.add('v.volume', filled(SIZE));
    const data = bench.data();
    const locator = { adapter: 'nfs', volume: 'v', address: { path: 'v.volume' } };
    const open = () => data.open(locator, { write: true });
    const [one, two] = await Promise.all([open(), open()]);
    await one.write(filled(1000, 77), 0, PLAIN);
    await Promise.all([one.close(), open().then((three) => three.close())]);
    // The second handle covers what the first wrote, also when the server forgets it now.
    bench.server.restart();
    const back = Buffer.alloc(1000);
    await two.read(back, 0);
    expect(back.equals(filled(1000, 77))).toBe(true);
    const closing = two.close();
    const four = await open();
    expect(bench.server.count('commit')).toBeGreaterThan(0);
    await closing;
    await four.read(back, 0);
    expect(back.equals(filled(1000, 77))).toBe(true);
    await four.close();
  });

  it('waits for a server that is not there yet when a volume is opened', async () => {
    bench.server.add('v.volume', filled(SIZE));
    await bench.server.close();
    const locator = { adapter: 'nfs', volume: 'v', address: { path: 'v.volume' } };
    const opening = bench.data().open(locator, { write: true });
    await new Promise((done) => setTimeout(done, 50));
    await bench.server.listen();
    const device = await opening;
    const back = Buffer.alloc(100);
    await device.read(back, 0);
    expect(back.equals(filled(100))).toBe(true);
    await device.close();
  });

  it('makes the connection anew when the server gives no sign of life', async () => {
    const content = filled(SIZE);
    const device = await bench.device(content);
    let deaf = true;
    bench.server.misdeed = () => (deaf ? { kind: 'ignore' } : undefined);
    const reading = expectContent(device, content);
    // The NULL call that asks for a sign of life is not answered either.
    for (; bench.server.count('null') === 0; ) await new Promise((done) => setTimeout(done, 5));
    deaf = false;
    await reading;
  });

  it('gives up a call that is never answered when the patience is over, and no sooner one that is', async () => {
    const device = await bench.device(filled(SIZE), { patience: 15 });
    bench.server.misdeed = ({ procedure }) =>
      procedure === 'read' ? { kind: 'ignore' } : undefined;
    expect(await codeOf(() => device.read(Buffer.alloc(512), 0))).toBe('ETIMEDOUT');
    bench.server.misdeed = () => undefined;
    await device.write(filled(512), 0, FUA);
  });

  it('gives up when there is no server for longer than the patience', async () => {
    const device = await bench.device(filled(SIZE), { patience: 15 });
    await bench.server.close();
    const codes = await Promise.all([
      codeOf(() => device.read(Buffer.alloc(512), 0)),
      codeOf(() => device.write(Buffer.alloc(512), 0, PLAIN)),
      codeOf(() => device.flush()),
    ]);
    expect(codes).toEqual(['ETIMEDOUT', 'ETIMEDOUT', 'ETIMEDOUT']);
    await bench.server.listen();
    await device.write(filled(512), 0, FUA);
  });

  it('does not touch the memory of a read that was given up', async () => {
    const device = await bench.device(filled(SIZE, 9), { patience: 15 });
    let late: Buffer | undefined;
    bench.server.misdeed = ({ procedure }) =>
      procedure !== 'read' || late !== undefined
        ? undefined
        : {
            kind: 'bytes',
            of: (record) => {
              late = record.subarray(2000);
              return record.subarray(0, 2000);
            },
          };
    const target = Buffer.alloc(60_000);
    expect(await codeOf(() => device.read(target, 0))).toBe('ETIMEDOUT');
    target.fill(0);
    await codeOf(() => device.read(Buffer.alloc(512), 0));
    expect(target.every((at) => at === 0)).toBe(true);
  });

  it.each([
    ['EPERM', 13],
    ['ESTALE', 70],
    ['ENOSPC', 28],
    ['ENOSPC', 69],
    ['EROFS', 30],
    ['EIO', 5],
    ['EIO', 4711],
  ])('says %s for status %i', async (errno, status) => {
    const device = await bench.device(filled(SIZE));
    bench.server.misdeed = () => ({ kind: 'status', status });
    expect(await codeOf(() => device.read(Buffer.alloc(512), 0))).toBe(errno);
    expect(await codeOf(() => device.write(Buffer.alloc(512), 0, PLAIN))).toBe(errno);
    expect(await codeOf(() => device.flush())).toBe(errno);
  });

  it('says EIO for a file that became shorter', async () => {
    const device = await bench.device(filled(SIZE));
    const file = bench.server.files.get('v0.volume');
    if (file !== undefined) file.now = file.now.subarray(0, 1000);
    expect(await codeOf(() => device.read(Buffer.alloc(4096), 0))).toBe('EIO');
  });

  it('writes the rest when a write is short', async () => {
    const device = await bench.device(Buffer.alloc(SIZE));
    bench.server.misdeed = ({ procedure }) =>
      procedure === 'write' ? { kind: 'short', bytes: 20_001 } : undefined;
    const content = filled(SIZE);
    await device.write(content, 0, PLAIN);
    await device.flush();
    expect(stable().equals(content)).toBe(true);
  });

  it('writes again what a restarted server forgot, before it is read', async () => {
    const device = await bench.device(Buffer.alloc(SIZE));
    const content = filled(SIZE);
    for (let at = 0; at < SIZE; at += 10_000) {
      await device.write(content.subarray(at, at + 10_000), at, PLAIN);
    }
    bench.server.restart();
    await expectContent(device, content);
    await device.flush();
    expect(stable().equals(content)).toBe(true);
  });

  it('does so when the verifier changes on a connection that stands', async () => {
    const device = await bench.device(Buffer.alloc(SIZE));
    const content = filled(SIZE);
    await device.write(content.subarray(0, 100_000), 0, PLAIN);
    once('write', { kind: 'forget' });
    await device.write(content.subarray(100_000), 100_000, PLAIN);
    await expectContent(device, content);
    await device.flush();
    expect(stable().equals(content)).toBe(true);
  });

  it('does so when the server forgets between WRITE and COMMIT', async () => {
    const device = await bench.device(Buffer.alloc(SIZE));
    const content = filled(SIZE);
    await device.write(content, 0, PLAIN);
    once('commit', { kind: 'forget' });
    await device.flush();
    expect(stable().equals(content)).toBe(true);
  });

  it('brings nothing back that was overwritten since, stable or not', async () => {
    const device = await bench.device(Buffer.alloc(SIZE));
    const model = Buffer.alloc(SIZE);
    const random = seededRandom();
    for (let step = 0; step < 300; step += 1) {
      const offset = Math.floor(random() * (SIZE - 5000));
      const bytes = Buffer.alloc(1 + Math.floor(random() * 5000), 1 + Math.floor(random() * 255));
      bytes.copy(model, offset);
      await device.write(bytes, offset, random() < 0.2 ? FUA : PLAIN);
      if (random() < 0.05) bench.server.restart();
      if (random() < 0.05) await device.flush();
    }
    bench.server.restart();
    await expectContent(device, model);
    await device.flush();
    expect(stable().equals(model)).toBe(true);
  });

  it('answers everything, and like a model, while all of that happens at random', async () => {
    const random = seededRandom();
    const size = 64 * 4096;
    const device = await bench.device(Buffer.alloc(size), {
      nconnect: 2,
      rsize: 8192,
      wsize: 8192,
    });
    const model = Buffer.alloc(size);
    bench.server.misdeed = () => {
      const chance = random();
      if (chance < 0.01) return { kind: 'close', execute: random() < 0.5 };
      if (chance < 0.02) return { kind: 'short', bytes: 1 + Math.floor(random() * 4000) };
      if (chance < 0.03) return { kind: 'status', status: 10_008 };
      if (chance < 0.04)
        return { kind: 'bytes', of: (r) => r.subarray(0, r.length / 2), close: true };
      if (chance < 0.045) bench.server.restart();
      return undefined;
    };
    const lane = async (index: number): Promise<void> => {
      const start = index * 16 * 4096;
      for (let step = 0; step < 60; step += 1) {
        const offset = start + Math.floor(random() * 12 * 4096);
        const bytes = Buffer.alloc(
          1 + Math.floor(random() * 16_384),
          1 + Math.floor(random() * 255),
        );
        bytes.copy(model, offset);
        await device.write(bytes, offset, random() < 0.1 ? FUA : PLAIN);
        const back = Buffer.alloc(bytes.length);
        await device.read(back, offset);
        expect(back.equals(bytes), `lane ${index} step ${step}`).toBe(true);
        if (random() < 0.1) await device.flush();
      }
    };
    await Promise.all([0, 1, 2, 3].map(lane));
    await device.flush();
    bench.server.misdeed = () => undefined;
    expect(stable().equals(model)).toBe(true);
    expect(bench.lost).toEqual([]);
  });

  it('tells of data that cannot be brought back: every later call fails', async () => {
    const device = await bench.device(Buffer.alloc(SIZE));
    await device.write(filled(1000), 0, PLAIN);
    bench.server.misdeed = ({ procedure }) =>
      procedure === 'write' ? { kind: 'status', status: 28 } : undefined;
    bench.server.restart();
    expect(await codeOf(() => device.flush())).toBe('ENOSPC');
    expect(await codeOf(() => device.read(Buffer.alloc(10), 0))).toBe('ENOSPC');
    expect(bench.lost.length).toBe(1);
  });

  it('settles a fua write only when it is stable, also when the server keeps it unstable', async () => {
    const device = await bench.device(Buffer.alloc(SIZE));
    const content = filled(50_000);
    bench.server.misdeed = ({ procedure }) =>
      procedure !== 'write'
        ? undefined
        : {
            kind: 'bytes',
            // `committed` says UNSTABLE, in front of the verifier.
            of: (record) => {
              record.writeUInt32BE(0, record.length - 12);
              return record;
            },
          };
    await device.write(content, 0, FUA);
    expect(bench.server.count('commit')).toBe(1);
    expect(stable().subarray(0, 50_000).equals(content)).toBe(true);
  });

  it('keeps no more uncommitted data than it may: writes wait for a COMMIT', async () => {
    const memory = new WriteMemory({ segmentBytes: 100_000, bytes: 300_000 });
    const device = await bench.device(Buffer.alloc(1_500_000), {}, memory);
    const content = filled(1_500_000);
    await device.write(content, 0, PLAIN);
    expect(bench.server.count('commit')).toBeGreaterThan(5);
    bench.server.restart();
    await expectContent(device, content);
    await device.flush();
    expect(stable().equals(content)).toBe(true);
  });

  it('commits what is left when it is closed', async () => {
    const device = await bench.device(Buffer.alloc(SIZE));
    await device.write(filled(1000), 0, PLAIN);
    await device.close();
    expect(stable().subarray(0, 1000).equals(filled(1000))).toBe(true);
  });

  it('uses several connections when it is told to, and loses none of their calls', async () => {
    const content = filled(SIZE);
    const device = await bench.device(content, { nconnect: 4, rsize: 4096 });
    await expectContent(device, content);
    expect(bench.server.connections).toBe(4);
    let reads = 0;
    bench.server.misdeed = ({ procedure }) => {
      reads += procedure === 'read' ? 1 : 0;
      return reads === 20 ? { kind: 'close', execute: true } : undefined;
    };
    await expectContent(device, content);
  });
});
