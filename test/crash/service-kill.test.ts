/**
 * kill -9 of the whole service at random moments under load. After each restart, on the same folder
 * and port, every acknowledged write of every machine is there, in both cache modes, and a block
 * whose write was not acknowledged holds its old or its new content.
 */
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { connectNbd, type NbdClient } from '../../src/nbd/client/index.ts';
import { imageBlock, patternBlock, writePatternImage } from '../support/pattern-image.ts';
import { SEED, seededRandom } from '../support/seed.ts';
import { ServiceProcess } from '../support/service-process.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';

const BLOCKS = 4096;
const ROUNDS = 6;
const MODES = ['server', 'server-persistent'] as const;
const random = seededRandom();
const below = (limit: number): number => Math.floor(random() * limit);

/** What a block may hold: the acknowledged content, and that of a write in flight. */
interface Known {
  acknowledged: Buffer;
  inFlight: Buffer | undefined;
}

class Machine {
  readonly name: string;
  readonly blocks = new Map<number, Known>();
  #version = 1;

  constructor(name: string) {
    this.name = name;
  }

  known(number: number): Known {
    const known = this.blocks.get(number) ?? {
      acknowledged: imageBlock(number),
      inFlight: undefined,
    };
    this.blocks.set(number, known);
    return known;
  }

  /** Writes at random, several at a time, until the connection dies. */
  async load(client: NbdClient): Promise<void> {
    await Promise.all(Array.from({ length: 8 }, () => this.#writer(client)));
  }

  async #writer(client: NbdClient): Promise<void> {
    for (;;) {
      const number = below(BLOCKS);
      const known = this.known(number);
      if (known.inFlight !== undefined) continue;
      this.#version += 1;
      const content = patternBlock(number, this.#version);
      known.inFlight = content;
      try {
        await client.write(content, number * 4096, { fua: below(50) === 0 });
        if (below(100) === 0) await client.flush();
      } catch {
        return;
      }
      known.acknowledged = content;
      known.inFlight = undefined;
    }
  }

  async verify(client: NbdClient): Promise<void> {
    const got = Buffer.alloc(4096);
    for (const [number, known] of this.blocks) {
      await client.read(got, number * 4096);
      const isOld = got.equals(known.acknowledged);
      const isNew = known.inFlight !== undefined && got.equals(known.inFlight);
      if (!isOld && !isNew)
        throw new Error(`seed ${SEED}: ${this.name}: block ${number} lost an acknowledged write`);
      known.acknowledged = Buffer.from(got);
      known.inFlight = undefined;
    }
  }
}

describe(`kill -9 under load (seed ${SEED})`, () => {
  let folder: Awaited<ReturnType<typeof temporaryFolder>>;
  let service: ServiceProcess;
  const machines = [0, 1, 2, 3].map((index) => new Machine(`m${index}`));

  beforeAll(async () => {
    folder = await temporaryFolder('kill');
    writePatternImage(join(folder.path, 'base.img'), BLOCKS * 4096);
    service = await ServiceProcess.start({ arguments: ['--workers', '2'] });
    await service.json('vdisk', 'import', join(folder.path, 'base.img'), '--name', 'base');
    for (const [index, machine] of machines.entries()) {
      const mode = MODES[index % 2] ?? 'server';
      await service.json(
        'machine',
        'add',
        machine.name,
        '--mac',
        `52:54:00:00:02:0${index}`,
        '--vdisk',
        'base',
        '--cache',
        mode,
      );
    }
  });

  afterAll(async () => {
    await service.remove();
    await folder.remove();
  });

  test(`every acknowledged write survives ${ROUNDS} kills`, async () => {
    for (let round = 0; round < ROUNDS; round++) {
      const clients = await Promise.all(
        machines.map(({ name }) => connectNbd(service.uri(`machine/${name}`))),
      );
      const loads = machines.map((machine, index) => machine.load(clients[index] as NbdClient));
      const moment = 50 + below(600);
      await new Promise((resolve) => setTimeout(resolve, moment));
      expect(await service.kill()).toBe('SIGKILL');
      await Promise.all(loads);
      service = await ServiceProcess.start({
        data: service.data,
        nbdPort: service.nbdPort,
        arguments: ['--workers', '2'],
      });
      for (const machine of machines) {
        const client = await connectNbd(service.uri(`machine/${machine.name}`));
        await machine.verify(client);
        await client.disconnect();
      }
    }
    for (const machine of machines) expect(machine.blocks.size).toBeGreaterThan(50);
  });
});
