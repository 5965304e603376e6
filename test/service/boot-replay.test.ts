/**
 * 64 machines boot at once from one image: each replays a recorded boot of Debian through our own client
 * against the real service, and every byte that comes back is checked against what that machine, and
 * only that machine, must see.
 */
import {
  closeSync,
  ftruncateSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  writeSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parseTrace, traceDiskBytes } from '../../bench/trace.ts';
import { connectNbd, type NbdClient } from '../../src/nbd/client/index.ts';
import { ServiceProcess } from '../support/service-process.ts';
import { BLOCK, DiskModel, IMAGE_WRITER } from './replay/disk-model.ts';
import { type ReplayDisk, replay, verifyBlocks } from './replay/replay.ts';

const MACHINES = 64;
const TRACE = join(import.meta.dirname, '../../bench/traces/debian-boot.csv');
/** A hang, not slowness: the replay takes seconds on a quiet machine. */
const HANG_MS = 120_000;

const trace = parseTrace(readFileSync(TRACE, 'utf8'));
const size = traceDiskBytes(trace);

/** Blocks that the trace touches, in ascending order: these hold data in the image, the rest are holes. */
const imageBlocks: readonly number[] = (() => {
  const blocks = new Set<number>();
  for (const request of trace) {
    if (request.kind === 'flush') continue;
    const end = (request.offset + request.length) / BLOCK;
    for (let block = Math.floor(request.offset / BLOCK); block < end; block++) blocks.add(block);
  }
  return [...blocks].sort((a, b) => a - b);
})();
const image = new Set(imageBlocks);

function writeImage(path: string): void {
  const author = new DiskModel(IMAGE_WRITER, new Set());
  const file = openSync(path, 'wx');
  try {
    ftruncateSync(file, size);
    for (const block of imageBlocks) {
      writeSync(file, author.write(block * BLOCK, BLOCK, 0), 0, BLOCK, block * BLOCK);
    }
  } finally {
    closeSync(file);
  }
}

function diskOf(client: NbdClient): ReplayDisk {
  return {
    read: async (offset, length) => {
      const data = Buffer.allocUnsafe(length);
      await client.read(data, offset);
      return data;
    },
    write: (data, offset) => client.write(data, offset),
    flush: () => client.flush(),
  };
}

const nameOf = (machine: number): string => `replay-${String(machine).padStart(2, '0')}`;

function macOf(machine: number): string {
  return `02:00:00:00:00:${machine.toString(16).padStart(2, '0')}`;
}

async function addMachine(service: ServiceProcess, machine: number): Promise<void> {
  const response = await fetch(`${service.http}/v1/machines`, {
    method: 'POST',
    headers: { authorization: `Bearer ${service.token}`, 'content-type': 'application/json' },
    body: JSON.stringify({ name: nameOf(machine), mac: macOf(machine), vdisk: 'debian' }),
  });
  if (response.status !== 201) throw new Error(`${response.status}: ${await response.text()}`);
}

describe('64 machines that boot from one image at once', () => {
  const folder = mkdtempSync(join(tmpdir(), 'rootcast-replay-'));
  const machines = Array.from({ length: MACHINES }, (_, index) => index + 1);
  const models = new Map(machines.map((machine) => [machine, new DiskModel(machine, image)]));
  let service: ServiceProcess;
  const open: NbdClient[] = [];

  async function connect(exportName: string): Promise<ReplayDisk> {
    const client = await connectNbd(service.uri(exportName));
    open.push(client);
    return diskOf(client);
  }

  /** Does the same for every machine at once, each on a new connection. */
  function forEachMachine<T>(
    work: (disk: ReplayDisk, model: DiskModel) => Promise<T>,
  ): Promise<T[]> {
    return Promise.all(
      [...models].map(async ([machine, model]) => {
        try {
          return await work(await connect(`machine/${nameOf(machine)}`), model);
        } catch (error) {
          throw new Error(`${nameOf(machine)}: ${String(error)}`, { cause: error });
        }
      }),
    );
  }

  beforeAll(async () => {
    const path = join(folder, 'debian.raw');
    writeImage(path);
    service = await ServiceProcess.start();
    await service.json('vdisk', 'import', path, '--name', 'debian');
    for (const machine of machines) await addMachine(service, machine);
  }, HANG_MS);

  afterAll(async () => {
    await Promise.allSettled(open.map((client) => client.disconnect()));
    await service?.remove();
    rmSync(folder, { recursive: true, force: true });
  });

  it(
    'each see the image and their own writes, byte for byte',
    async () => {
      const started = performance.now();
      const totals = await forEachMachine((disk, model) => replay(trace, disk, model));
      const seconds = (performance.now() - started) / 1e3;
      const read = totals.reduce((sum, { bytesRead }) => sum + bytesRead, 0);
      const written = totals.reduce((sum, { bytesWritten }) => sum + bytesWritten, 0);
      expect(read).toBe(MACHINES * sumOf('read'));
      expect(written).toBe(MACHINES * sumOf('write'));
      const gigabytes = ((read + written) / 1e9).toFixed(1);
      console.log(`${MACHINES} boots, ${gigabytes} GB checked, in ${seconds.toFixed(1)} s`);
    },
    HANG_MS,
  );

  it(
    'find what they wrote again on a new connection, all of it',
    async () => {
      const verified = await forEachMachine((disk, model) =>
        verifyBlocks(disk, model, model.writtenBlocks()),
      );
      expect(new Set(verified)).toEqual(new Set([models.get(1)?.writtenBlocks().length]));
    },
    HANG_MS,
  );

  it(
    'leave the image as it was',
    async () => {
      const disk = await connect('vdisk/debian');
      const pristine = new DiskModel(IMAGE_WRITER, image);
      expect(await verifyBlocks(disk, pristine, imageBlocks)).toBe(imageBlocks.length);
    },
    HANG_MS,
  );
});

function sumOf(kind: 'read' | 'write'): number {
  return trace.reduce((sum, request) => sum + (request.kind === kind ? request.length : 0), 0);
}

describe('the check itself', () => {
  /** A disk in memory; `fault` may spoil what it is asked to store or fetch. */
  function memoryDisk(fault: Partial<ReplayDisk> = {}): ReplayDisk {
    const bytes = Buffer.alloc(8 * BLOCK);
    return {
      read: async (offset, length) => Buffer.from(bytes.subarray(offset, offset + length)),
      write: async (data, offset) => {
        data.copy(bytes, offset);
      },
      flush: async () => undefined,
      ...fault,
    };
  }
  const requests = parseTrace('W,4096,8192\nW,8192,4096\nF\nR,1024,512\nR,0,32768\n');

  it('accepts a disk that works', async () => {
    const model = new DiskModel(1, new Set());
    const totals = await replay(requests, memoryDisk(), model);
    expect(totals).toEqual({ bytesRead: 33_280, bytesWritten: 12_288 });
    expect(model.writtenBlocks()).toEqual([1, 2]);
  });

  it.each([
    ['a lost write', memoryDisk({ write: async () => undefined }), 'wanted its write'],
    ['a short read', memoryDisk({ read: async () => Buffer.alloc(1) }), 'instead of'],
    [
      'an older write that comes last',
      (() => {
        const disk = memoryDisk();
        let first: Buffer | undefined;
        const write = async (data: Buffer, offset: number): Promise<void> => {
          first ??= Buffer.from(data);
          await disk.write(first.subarray(0, data.length), offset);
        };
        return { ...disk, write };
      })(),
      'found writer 1, write 0, block 1',
    ],
  ])('notices %s', async (_, disk, sentence) => {
    await expect(replay(requests, disk, new DiskModel(1, new Set()))).rejects.toThrow(sentence);
  });

  it("notices another machine's block", async () => {
    const shared = memoryDisk();
    await replay(requests, shared, new DiskModel(2, new Set()));
    const mine = new DiskModel(1, new Set());
    mine.write(4096, 8192, 0);
    await expect(verifyBlocks(shared, mine, [1, 2])).rejects.toThrow('found writer 2');
  });

  it('notices data where the image has a hole', async () => {
    const disk = memoryDisk({ read: async (_, length) => Buffer.alloc(length, 1) });
    const read = parseTrace('R,0,512\n');
    await expect(replay(read, disk, new DiskModel(1, new Set()))).rejects.toThrow(
      'a hole of the image',
    );
  });
});
