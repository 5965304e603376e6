/** The load generator against servers in this process: what it asks, and what it notices. */
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, describe, expect, it } from 'vitest';
import { BLOCK, fillBlock, IMAGE_AUTHOR } from '../../../bench/load/content.ts';
import type { LoadJob, LoadResult } from '../../../bench/load/job.ts';
import { JobRunner, type Stages } from '../../../bench/load/run-job.ts';
import { Recorder } from '../../../bench/record/recorder.ts';
import { parseTrace } from '../../../bench/trace.ts';
import { WORKLOADS, type WorkloadId } from '../../../bench/workloads.ts';
import { type BlockDevice, MemoryDevice, PLAIN } from '../../../src/block/index.ts';
import { connectNbd, createNbdServer, nbdDevice, singleExport } from '../../../src/nbd/index.ts';
import { makeJob } from './make-job.ts';

const SIZE = 4 * 2 ** 20;
const AT_ONCE: Stages = { ready: async () => undefined, measured: async () => undefined };

const closing: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});
const folder = mkdtempSync(join(tmpdir(), 'rootcast-load-'));
afterAll(() => rmSync(folder, { recursive: true }));

async function imageDevice(): Promise<MemoryDevice> {
  const device = new MemoryDevice({ size: SIZE });
  const block = Buffer.alloc(BLOCK);
  for (let number = 0; number < SIZE / BLOCK; number += 1) {
    fillBlock(block, 0, IMAGE_AUTHOR, 0, number);
    await device.write(block, number * BLOCK, PLAIN);
  }
  return device;
}

async function serve(device: BlockDevice): Promise<string> {
  const server = createNbdServer({ exports: singleExport('disk', device) });
  const address = await server.listen({ host: '127.0.0.1', port: 0 });
  closing.push(() => server.close());
  return `nbd://127.0.0.1:${address !== undefined && 'port' in address ? address.port : 0}/disk`;
}

function workload(id: WorkloadId): LoadJob['workload'] {
  const [found] = WORKLOADS.filter((candidate) => candidate.id === id);
  if (found === undefined) throw new Error(`no workload ${id}`);
  return found;
}

function run(job: Partial<LoadJob>, runner = new JobRunner({})): Promise<LoadResult> {
  return runner.run(makeJob(job), AT_ONCE);
}

/** Passes everything on, except what `changes` does itself. */
function wrapped(device: BlockDevice, changes: Partial<BlockDevice>): BlockDevice {
  return {
    geometry: device.geometry,
    capabilities: device.capabilities,
    read: (target, offset) => device.read(target, offset),
    lend: () => undefined,
    cache: (offset, length) => device.cache(offset, length),
    extents: (offset, length, limit) => device.extents(offset, length, limit),
    write: (source, offset, options) => device.write(source, offset, options),
    flush: () => device.flush(),
    trim: (offset, length, options) => device.trim(offset, length, options),
    zero: (offset, length, options) => device.zero(offset, length, options),
    close: () => device.close(),
    ...changes,
  };
}

describe('the load generator', () => {
  it.each<WorkloadId>(['read-4k-qd1', 'read-4k-qd32-c4', 'read-128k-qd8'])(
    'checks every byte that %s brings',
    async (id) => {
      const uri = await serve(await imageDevice());
      const result = await run({ workload: workload(id), uris: [uri] });
      expect(result.requests).toBeGreaterThan(0);
      expect(result.verified?.bytes).toBe(result.bytes);
      expect(result.intervals.reduce((sum, { requests }) => sum + requests, 0)).toBe(
        result.requests,
      );
      expect(result.latency?.p99).toBeGreaterThanOrEqual(result.latency?.p50 ?? 0);
    },
  );

  it('writes every block once, and again, and reads back what it wrote', async () => {
    const uri = await serve(await imageDevice());
    const runner = new JobRunner({});
    for (const id of ['write-4k-first', 'write-4k-again'] as const) {
      const result = await run({ workload: workload(id), uris: [uri], areaBytes: 2 ** 20 }, runner);
      expect(result.requests).toBe(2 ** 20 / BLOCK);
      expect(result.verified).toEqual({ bytes: 2 ** 20 });
    }
  });

  it('lets go of its area before it writes it again, where the disk can, and knows nothing of it then', async () => {
    for (const trim of [true, false]) {
      const memory = await imageDevice();
      const trimmed: [offset: number, length: number][] = [];
      const device = wrapped(memory, {
        capabilities: { ...memory.capabilities, trim },
        trim: async (offset, length) => {
          trimmed.push([offset, length]);
          for (let at = offset; at < offset + length; at += BLOCK) {
            await memory.write(Buffer.alloc(BLOCK), at, PLAIN);
          }
        },
      });
      const area = { areaOffset: 2 ** 20, areaBytes: 2 ** 20, discard: true, readBack: false };
      const uris = [await serve(device)];
      const runner = new JobRunner({});
      const first = { workload: workload('write-4k-first'), uris, ...area };
      for (let pass = 0; pass < 2; pass += 1) {
        expect((await run(first, runner)).requests).toBe(2 ** 20 / BLOCK);
      }
      expect(trimmed.reduce((sum, [, length]) => sum + length, 0)).toBe(trim ? 2 * 2 ** 20 : 0);
      for (const [offset, length] of trimmed) {
        expect(offset).toBeGreaterThanOrEqual(2 ** 20);
        expect(offset + length).toBeLessThanOrEqual(2 * 2 ** 20);
      }
      // All of the disk, as the second pass left it.
      const read = await run(
        { workload: workload('read-128k-qd8'), uris, readBack: false },
        runner,
      );
      expect(read.verified?.bytes).toBe(read.bytes);
    }
  });

  it('counts a write and its flush as one request, and tells them apart', async () => {
    const uris = [await serve(await imageDevice()), await serve(await imageDevice())];
    const result = await run({ workload: workload('flush-32'), uris });
    const groups = Object.fromEntries(result.groups.map((group) => [group.name, group.requests]));
    expect(groups).toEqual({ write: result.requests, flush: result.requests });
    expect(result.bytes).toBe(result.requests * BLOCK);
  });

  it('mixes reads and writes of several sizes', async () => {
    const uri = await serve(await imageDevice());
    const { groups, verified } = await run({ workload: workload('mix-80-20'), uris: [uri] });
    const [reads, writes] = ['read', 'write'].map(
      (name) => groups.find((group) => group.name === name)?.requests ?? 0,
    );
    expect(reads).toBeGreaterThan(writes ?? 0);
    expect(writes).toBeGreaterThan(0);
    expect(verified?.bytes).toBeGreaterThan(0);
  });

  it('replays a trace on every machine, and says when they were done', async () => {
    const trace = join(folder, 'trace.csv');
    writeFileSync(trace, 'R,1024,1024\nW,8192,12288\nF\nR,4096,16384\n');
    const uris = [await serve(await imageDevice()), await serve(await imageDevice())];
    const result = await run({ workload: workload('boot-100'), uris, trace });
    expect(result.requests).toBe(8);
    expect(result.finished?.machines).toBe(2);
    expect(result.verified).toEqual({ bytes: 2 * (1024 + 16_384 + 12_288) });
    expect(result.groups.map(({ name }) => name)).toEqual(['read', 'write', 'flush']);
  });

  it('waits the recorded think time when it is paced', async () => {
    const trace = join(folder, 'paced.csv');
    writeFileSync(trace, `${'R,0,4096,1500\n'.repeat(40)}`);
    const uris = [await serve(await imageDevice())];
    const paced = await run({ workload: workload('boot-1-paced'), uris, trace });
    expect(paced.seconds).toBeGreaterThan(0.055);
    expect(paced.latency?.p50).toBeLessThan(50_000);
  });

  it('floods with one machine until the others have booted', async () => {
    const trace = join(folder, 'flood.csv');
    writeFileSync(trace, 'R,0,65536\nW,0,65536\n'.repeat(50));
    const uris = [await serve(await imageDevice()), await serve(await imageDevice())];
    const { groups, finished } = await run({ workload: workload('flood-and-boot'), uris, trace });
    expect(finished?.machines).toBe(1);
    expect(groups.find(({ name }) => name === 'booting')?.requests).toBe(100);
    expect(groups.find(({ name }) => name === 'flooding')?.requests).toBeGreaterThan(0);
  });

  it('opens connections that ask nothing', async () => {
    const uri = await serve(await imageDevice());
    const idle = { ...workload('idle-1000'), connections: 20 };
    const result = await run({ workload: idle, uris: [uri] });
    expect(result.connections?.count).toBe(20);
    expect(result.connections?.connect.p50).toBeGreaterThan(0);
    expect(result.latency).toBeUndefined();
  });

  it('drives a volume of a repository, and deletes it', async () => {
    const uris = [`repository:local:${join(folder, 'volumes')}`];
    const reads = await run({ uris, volumeBytes: SIZE });
    expect(reads.verified?.bytes).toBe(reads.bytes);
    const writes = { workload: workload('write-4k-first'), uris, areaBytes: 2 ** 20 };
    expect((await run({ ...writes, volumeBytes: SIZE })).verified).toEqual({ bytes: 2 ** 20 });
    expect(readdirSync(join(folder, 'volumes'))).toEqual([]);
  });

  it('refuses what the disk cannot do', async () => {
    const trace = join(folder, 'large.csv');
    writeFileSync(trace, `R,${SIZE},4096\n`);
    const uris = [await serve(await imageDevice())];
    await expect(run({ workload: workload('boot-100'), uris, trace })).rejects.toThrow(
      `has ${SIZE} bytes, and the trace needs a disk of ${SIZE + BLOCK}`,
    );
  });
});

describe('a server that is wrong', () => {
  it('by one byte in a read is noticed, with target, place and what was there', async () => {
    const image = await imageDevice();
    const liar = wrapped(image, {
      read: async (target, offset) => {
        await image.read(target, offset);
        const at = 3 * BLOCK + 100 - offset;
        if (at >= 0 && at < target.length) target[at] = (target[at] ?? 0) ^ 1;
      },
    });
    const uri = await serve(liar);
    const whole = { ...workload('read-128k-qd8'), extent: 'once' as const };
    await expect(run({ workload: whole, uris: [uri] })).rejects.toThrow(
      `${uri}: wrong data at offset ${3 * BLOCK}: found block 3 of the image, write 0, with other bytes behind its header; it should be block 3 of the image`,
    );
  });

  it('because it loses a write is noticed when that is read back', async () => {
    const image = await imageDevice();
    const forgetful = wrapped(image, {
      write: (source, offset, options) =>
        offset === 5 * BLOCK ? undefined : image.write(source, offset, options),
    });
    const job = { workload: workload('write-4k-first'), areaBytes: 2 ** 20 };
    await expect(run({ ...job, uris: [await serve(forgetful)] })).rejects.toThrow(
      `wrong data at offset ${5 * BLOCK}: found block 5 of the image`,
    );
  });

  it('because two machines share a disk is noticed', async () => {
    const trace = join(folder, 'shared.csv');
    writeFileSync(trace, 'W,0,4096\nR,0,4096\n'.repeat(200));
    const device = await imageDevice();
    const uris = [await serve(device), await serve(device)];
    await expect(run({ workload: workload('boot-100'), uris, trace })).rejects.toThrow(
      /machine [01] \(nbd.*wrong data at offset 0: found block 0 of machine [01]/,
    );
  });
});

describe('a recording', () => {
  it('has what a client asked, with think times, and can be replayed', async () => {
    const uri = await serve(await imageDevice());
    const output = join(folder, 'recorded.csv');
    const { recorder, address } = await Recorder.start({
      host: '127.0.0.1',
      port: 0,
      output,
      connect: async () => nbdDevice(await connectNbd(uri)),
    });
    const port = address !== undefined && 'port' in address ? address.port : 0;
    const client = await connectNbd(`nbd://127.0.0.1:${port}/whatever`);
    const data = Buffer.alloc(8192, 7);
    await client.read(data, 4096);
    await new Promise((resolve) => setTimeout(resolve, 20));
    await client.write(data, 65_536);
    await client.flush();
    await client.trim(0, 4096);
    await client.disconnect();
    await recorder.untilLeft(new AbortController().signal);
    expect(await recorder.stop()).toEqual({ requests: 3, others: 1 });

    const trace = parseTrace(readFileSync(output, 'utf8'));
    expect(trace.map(({ thinkMicros: _, ...request }) => request)).toEqual([
      { kind: 'read', offset: 4096, length: 8192 },
      { kind: 'write', offset: 65_536, length: 8192 },
      { kind: 'flush' },
    ]);
    expect(trace[0]?.thinkMicros).toBe(0);
    expect(trace[1]?.thinkMicros).toBeGreaterThan(15_000);

    const replayed = await run({
      workload: workload('boot-1-paced'),
      uris: [await serve(await imageDevice())],
      trace: output,
    });
    expect(replayed.requests).toBe(3);
    expect(replayed.verified).toEqual({ bytes: 2 * 8192 });
    expect(replayed.seconds).toBeGreaterThan(0.015);
  });
});
