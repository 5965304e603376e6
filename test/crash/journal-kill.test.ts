/**
 * kill -9 of the whole service under flushes of several machines, which share journals so small that their
 * segments turn over all the time. After each restart every acknowledged write is there, what earlier
 * flushes left in the journals notwithstanding; some rounds end in an orderly way.
 */
import { closeSync, openSync, readdirSync, readSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { connectNbd, type NbdClient } from '../../src/nbd/client/index.ts';
import { imageBlock, patternBlock, writePatternImage } from '../support/pattern-image.ts';
import { SEED, seededRandom } from '../support/seed.ts';
import { ServiceProcess } from '../support/service-process.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';

const BLOCKS = 2048;
const HOT_BLOCKS = 40;
const ROUNDS = 6;
/** Of each machine; each belongs to one worker or the other. */
const CONNECTIONS = 2;
const SERVICE = ['--workers', '2', '--cache-journal', '4M'];
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
  flushes = 0;
  #version = 1;

  constructor(name: string) {
    this.name = name;
  }

  /** Writes a few blocks and flushes, again and again, until the connection dies. */
  async load(client: NbdClient): Promise<void> {
    try {
      for (;;) {
        for (let count = 1 + below(6); count > 0; count--) await this.#write(client);
        await client.flush();
        this.flushes += 1;
      }
    } catch {
      // killed
    }
  }

  async #write(client: NbdClient): Promise<void> {
    // Most go to few blocks: older versions of them are in the journals.
    const number = below(random() < 0.8 ? HOT_BLOCKS : BLOCKS);
    const known = this.blocks.get(number) ?? {
      acknowledged: imageBlock(number),
      inFlight: undefined,
    };
    this.blocks.set(number, known);
    if (known.inFlight !== undefined) return;
    this.#version += 1;
    const content = patternBlock(number, this.#version);
    known.inFlight = content;
    await client.write(content, number * 4096);
    known.acknowledged = content;
    known.inFlight = undefined;
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

/** Of each segment of the journals: a number that is another one whenever it is begun afresh. */
function epochs(folder: string): Map<string, number> {
  const found = new Map<string, number>();
  const page = Buffer.alloc(512);
  for (const name of readdirSync(folder).filter((each) => each.startsWith('journal.'))) {
    const file = openSync(join(folder, name), 'r');
    readSync(file, page, 0, page.length, 0);
    closeSync(file);
    if (page.toString('latin1', 0, 8) === 'RCASTJRN') found.set(name, page.readDoubleLE(16));
  }
  return found;
}

describe(`kill -9 under flushes that share journals (seed ${SEED})`, () => {
  let folder: Awaited<ReturnType<typeof temporaryFolder>>;
  let service: ServiceProcess;
  const machines = [0, 1, 2, 3, 4, 5].map((index) => new Machine(`m${index}`));

  beforeAll(async () => {
    folder = await temporaryFolder('journal-kill');
    writePatternImage(join(folder.path, 'base.img'), BLOCKS * 4096);
    service = await ServiceProcess.start({ arguments: SERVICE });
    await service.json('vdisk', 'import', join(folder.path, 'base.img'), '--name', 'base');
    for (const [index, { name }] of machines.entries()) {
      const mac = ['--mac', `52:54:00:00:03:0${index}`];
      const cache = ['--cache', 'server-persistent'];
      await service.json('machine', 'add', name, ...mac, '--vdisk', 'base', ...cache);
    }
  });

  afterAll(async () => {
    await service.remove();
    await folder.remove();
  });

  test(`every acknowledged write survives ${ROUNDS} ends`, async () => {
    let turns = 0;
    for (let round = 0; round < ROUNDS; round++) {
      const clients: NbdClient[] = [];
      const loads: Promise<void>[] = [];
      for (const machine of machines) {
        for (let count = 0; count < CONNECTIONS; count++) {
          const client = await connectNbd(service.uri(`machine/${machine.name}`));
          clients.push(client);
          loads.push(machine.load(client));
        }
      }
      const repository = join(service.data, 'repository');
      let last = epochs(repository);
      const end = Date.now() + 700 + below(1500);
      while (Date.now() < end) {
        await new Promise((resolve) => setTimeout(resolve, 20));
        const now = epochs(repository);
        for (const [name, epoch] of now) if (last.get(name) !== epoch) turns += 1;
        last = now;
      }
      if (round % 3 === 2) expect(await service.stop()).toBe(0);
      else expect(await service.kill()).toBe('SIGKILL');
      await Promise.all(loads);
      const { data, nbdPort } = service;
      service = await ServiceProcess.start({ data, nbdPort, arguments: SERVICE });
      expect(service.stderr).toBe('');
      for (const machine of machines) {
        const client = await connectNbd(service.uri(`machine/${machine.name}`));
        await machine.verify(client);
        await client.disconnect();
      }
    }
    console.log(`${turns} segments begun`);
    for (const { flushes } of machines) expect(flushes).toBeGreaterThan(20);
    expect(turns).toBeGreaterThan(4 * ROUNDS);
  });
});
