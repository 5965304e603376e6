import { setImmediate } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { MemoryDevice, PLAIN, type ReadableBlockDevice } from '../../../../src/block/index.ts';
import { BlockError } from '../../../../src/errors/index.ts';
import {
  type ExportProgress,
  type ExportSource,
  exportStream,
} from '../../../../src/vdisk/export/index.ts';
import { faultOf } from '../formats/read-image.ts';
import { type Chosen, collect, options, sourceOf } from './export-disks.ts';

const K = 1024;
const M = 1024 * K;

const FORMATS: readonly [string, Chosen][] = [
  ['raw', { format: 'raw' }],
  ['qcow2', { format: 'qcow2', compress: false }],
  ['qcow2, zstd', { format: 'qcow2' }],
  ['VHD', { format: 'vhd' }],
];

/** Counts what is read; a read waits for a turn of the event loop, or fails where it is told to. */
class WatchedDevice implements ReadableBlockDevice {
  readonly geometry: MemoryDevice['geometry'];
  readonly capabilities: MemoryDevice['capabilities'];
  readonly #inner: MemoryDevice;
  bytesRead = 0;
  running = 0;
  closed = 0;
  failAt = Number.POSITIVE_INFINITY;
  onRead: () => void = () => undefined;

  constructor(content: Buffer) {
    this.#inner = new MemoryDevice({ size: content.length });
    this.#inner.write(content, 0, PLAIN);
    this.geometry = { ...this.#inner.geometry, maximumIo: 256 * K };
    this.capabilities = this.#inner.capabilities;
  }

  async read(target: Buffer, offset: number): Promise<void> {
    if (target.length > this.geometry.maximumIo) throw new Error('longer than the device takes');
    this.running += 1;
    await setImmediate();
    this.running -= 1;
    this.bytesRead += target.length;
    this.onRead();
    if (offset + target.length > this.failAt) {
      throw new BlockError('EIO', 'read', offset, target.length, 'a bad sector');
    }
    this.#inner.read(target, offset);
  }

  lend(): undefined {}
  cache(): void {}
  extents(): [] {
    return [];
  }
  async close(): Promise<void> {
    this.closed += 1;
  }
}

/** 16 MiB that are full of data which does not compress to nothing. */
function content(): Buffer {
  const full = Buffer.alloc(16 * M);
  for (let at = 0; at < full.length; at += 8) full.writeUInt32LE((at * 2654435761) % 2 ** 32, at);
  return full;
}

const CONTENT = content();

function watched(): { device: WatchedDevice; source: ExportSource } {
  const device = new WatchedDevice(CONTENT);
  return { device, source: sourceOf(CONTENT, device) };
}

describe.each(FORMATS)('a stream of %s', (_name, chosen) => {
  it('has the length that it says, every time it is read', async () => {
    const { source } = watched();
    const stream = await exportStream(source, options(chosen));
    const first = await collect(stream);
    expect(first.length).toBe(stream.length);
    expect((await collect(stream)).equals(first)).toBe(true);
  });

  it('reads no more than a window ahead of its reader', async () => {
    const { device, source } = watched();
    const stream = await exportStream(source, options(chosen));
    device.bytesRead = 0;
    let largest = 0;
    let windows = 0;
    for await (const piece of stream) {
      largest = Math.max(largest, piece.length);
      // The reader takes its time; whoever ran on would get far.
      for (let turn = 0; turn < 100; turn += 1) await setImmediate();
      expect(device.running).toBe(0);
      if (piece.length > 512) windows += 1;
      // What was delivered, this window, and one ahead.
      expect(device.bytesRead).toBeLessThanOrEqual((windows + 1) * 2 * M);
    }
    expect(device.bytesRead).toBe(16 * M);
    expect(largest).toBeLessThanOrEqual(2 * M + 256 * K);
  });

  it('leaves nothing that runs when its reader stops early', async () => {
    const { device, source } = watched();
    const stream = await exportStream(source, options(chosen));
    let pieces = 0;
    for await (const piece of stream) {
      expect(piece.length).toBeGreaterThan(0);
      pieces += 1;
      if (pieces === 3) break;
    }
    expect(device.running).toBe(0);
    const { bytesRead } = device;
    for (let turn = 0; turn < 50; turn += 1) await setImmediate();
    expect(device.bytesRead).toBe(bytesRead);
    expect(device.closed).toBe(0);
  });

  it('stops when it is cancelled, before, in between and in the middle', async () => {
    const { device, source } = watched();
    const before = AbortSignal.abort();
    const late = new AbortController();
    const stream = await exportStream(source, options({ ...chosen, signal: late.signal }));
    const { bytesRead } = device;
    device.onRead = () => {
      if (device.bytesRead >= bytesRead + 5 * M) late.abort();
    };
    expect((await faultOf(collect(stream))).code).toBe('CANCELLED');
    expect(device.running).toBe(0);
    expect(device.bytesRead).toBeLessThan(bytesRead + 9 * M);
    expect((await faultOf(collect(stream))).code).toBe('CANCELLED');
    const never = async () => {
      await collect(await exportStream(source, options({ ...chosen, signal: before })));
    };
    expect((await faultOf(never())).code).toBe('CANCELLED');
  });

  it('ends with what went wrong when the disk cannot be read', async () => {
    const { device, source } = watched();
    const stream = await exportStream(source, options(chosen));
    device.failAt = 9 * M;
    const fault = await faultOf(collect(stream));
    expect(fault.code).toBe('UNAVAILABLE');
    expect(fault.message).toContain('a bad sector');
    expect(fault.cause).toBeInstanceOf(BlockError);
    expect(device.running).toBe(0);
  });

  it('tells its progress in bytes of the disk, forward to the end', async () => {
    const { source } = watched();
    const told: ExportProgress[] = [];
    const progress = (step: ExportProgress) => told.push(step);
    await collect(await exportStream(source, options({ ...chosen, progress })));
    const done = told.map(({ bytesDone }) => bytesDone);
    expect(done).toEqual([...done].sort((a, b) => a - b));
    expect(done.length).toBeGreaterThanOrEqual(8);
    const total = told.at(-1)?.bytesTotal ?? 0;
    expect(done.at(-1)).toBe(total);
    expect(total % source.size).toBe(0);
    expect(new Set(told.map(({ bytesTotal }) => bytesTotal)).size).toBe(1);
  });

  it('lets others have their turn although the disk never waits', async () => {
    const source = sourceOf(Buffer.concat([CONTENT, Buffer.alloc(64 * M)]));
    let turns = 0;
    let over = false;
    const others = (async () => {
      while (!over) {
        await setImmediate();
        turns += 1;
      }
    })();
    await collect(await exportStream(source, options(chosen)));
    over = true;
    await others;
    expect(turns).toBeGreaterThan(1);
  });
});

describe('a stream whose disk changes after all', () => {
  it.each(FORMATS.slice(2))('%s: is not passed off as whole', async (_name, chosen) => {
    const disk = Buffer.from(CONTENT);
    const device = new MemoryDevice({ size: disk.length });
    device.write(disk, 0, PLAIN);
    const stream = await exportStream(sourceOf(disk, device), options(chosen));
    device.trim(3 * M, 5 * M, PLAIN);
    const fault = await faultOf(collect(stream));
    expect(fault.code).toBe('INTERNAL');
    expect(fault.message).toContain('changed while it was exported');
  });
});

describe('the plan of a stream', () => {
  it('does not read the disk where the map is enough', async () => {
    for (const [, chosen] of FORMATS.slice(0, 2)) {
      const { device, source } = watched();
      await exportStream(source, options(chosen));
      expect(device.bytesRead).toBe(0);
    }
  });

  it('spares the body what is as it is in the parent', async () => {
    const { device, source } = watched();
    const old = Buffer.from(CONTENT);
    old.fill(0, 7 * M, 7 * M + 100);
    const below = new WatchedDevice(old);
    const parent = { source: sourceOf(old, below), fileName: 'parent.vhd' };
    const stream = await exportStream(source, options({ format: 'vhd', parent }));
    device.bytesRead = 0;
    below.bytesRead = 0;
    await collect(stream);
    expect([device.bytesRead, below.bytesRead]).toEqual([2 * M, 2 * M]);
  });

  it('reads one chunk of every VHD block', async () => {
    const { device, source } = watched();
    await exportStream(source, options({ format: 'vhd' }));
    expect(device.bytesRead).toBe(8 * 64 * K);
  });

  it('ends with what went wrong when the disk cannot be read', async () => {
    for (const [, chosen] of FORMATS.slice(2)) {
      const { device, source } = watched();
      device.failAt = 9 * M;
      expect((await faultOf(exportStream(source, options(chosen)))).code).toBe('UNAVAILABLE');
      expect(device.running).toBe(0);
    }
  });
});
