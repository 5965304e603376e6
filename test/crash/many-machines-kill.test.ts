/**
 * kill -9 of a service with so many machines that their write caches are opened by threads of their own
 * (src/service/recovery): each has what it wrote, also when the next life is killed while they are being opened.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { forEachOf } from '../../src/base/index.ts';
import { connectNbd } from '../../src/nbd/client/index.ts';
import { OVERLAYS_WORTH_THREADS } from '../../src/service/limits.ts';
import { imageBlock, patternBlock, writePatternImage } from '../support/pattern-image.ts';
import { SEED, seededRandom } from '../support/seed.ts';
import { PROGRAM, ServiceProcess } from '../support/service-process.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';

const BLOCKS = 4096;
const BLOCK = 4096;
const MACHINES = OVERLAYS_WORTH_THREADS + 8;
const WRITES = 12;
const AT_ONCE = 8;
const random = seededRandom();
const below = (limit: number): number => Math.floor(random() * limit);

interface Machine {
  readonly name: string;
  /** Versions of what it wrote, by block. */
  readonly written: Map<number, number>;
}

describe(`kill -9 with ${MACHINES} machines (seed ${SEED})`, () => {
  let folder: Awaited<ReturnType<typeof temporaryFolder>>;
  let service: ServiceProcess;
  const machines = Array.from({ length: MACHINES }, (_, number): Machine => {
    return { name: `m${number}`, written: new Map() };
  });

  beforeAll(async () => {
    folder = await temporaryFolder('many');
    writePatternImage(join(folder.path, 'base.img'), BLOCKS * BLOCK);
    service = await ServiceProcess.start();
    await service.json('vdisk', 'import', join(folder.path, 'base.img'), '--name', 'base');
    for (const [number, { name }] of machines.entries()) {
      const response = await fetch(`${service.http}/v1/machines`, {
        method: 'POST',
        headers: {
          authorization: `Bearer ${service.token}`,
          'content-type': 'application/json',
        },
        body: JSON.stringify({
          name,
          mac: `52:54:00:00:04:${number.toString(16).padStart(2, '0')}`,
          vdisk: 'base',
          cacheMode: number % 2 === 0 ? 'server' : 'server-persistent',
        }),
      });
      expect(response.status).toBe(201);
    }
  });

  afterAll(async () => {
    await service.remove();
    await folder.remove();
  });

  const load = async ({ name, written }: Machine): Promise<void> => {
    const client = await connectNbd(service.uri(`machine/${name}`));
    for (let write = 0; write < WRITES; write += 1) {
      const block = below(BLOCKS);
      const version = (written.get(block) ?? 0) + 1;
      await client.write(patternBlock(block, version), block * BLOCK);
      written.set(block, version);
    }
    await client.disconnect();
  };

  const verify = async ({ name, written }: Machine): Promise<void> => {
    const client = await connectNbd(service.uri(`machine/${name}`));
    const got = Buffer.alloc(BLOCK);
    for (const block of [...written.keys(), below(BLOCKS)]) {
      await client.read(got, block * BLOCK);
      const version = written.get(block);
      const wanted = version === undefined ? imageBlock(block) : patternBlock(block, version);
      if (!got.equals(wanted)) throw new Error(`seed ${SEED}: ${name}: block ${block} is wrong`);
    }
    await client.disconnect();
  };

  const each = (work: (machine: Machine) => Promise<void>): Promise<void> =>
    forEachOf(machines, AT_ONCE, work);

  const startAgain = async (): Promise<void> => {
    const { data, nbdPort } = service;
    service = await ServiceProcess.start({ data, nbdPort });
    expect(service.stderr).toBe('');
  };

  test('every acknowledged write is there after each of three', async () => {
    for (let life = 0; life < 3; life += 1) {
      await each(load);
      await service.kill();
      await startAgain();
      await each(verify);
    }
  });

  test('also when lives before were killed while they opened the write caches', async () => {
    await service.kill();
    for (let life = 0; life < 4; life += 1) {
      const arguments_ = ['serve', '--data', service.data, '--http', '127.0.0.1:0'];
      const more = ['--nbd', '127.0.0.1:0', '--xenapi', 'off', '--log-level', 'warn'];
      const child = spawn(PROGRAM, [...arguments_, ...more], { stdio: 'ignore' });
      const left = once(child, 'exit');
      const moment = 800 + below(2_200);
      await Promise.race([left, new Promise((resolve) => setTimeout(resolve, moment))]);
      child.kill('SIGKILL');
      await left;
      expect(child.signalCode, `life ${life}, after ${moment} ms`).toBe('SIGKILL');
    }
    await startAgain();
    await each(verify);
  });
});
