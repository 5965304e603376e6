/**
 * vDisks whose layers and write caches lie in a repository: machines write, the service is killed, and what they wrote
 * becomes versions there; in the end nothing is left on the array. The parts come after each other, all kinds together,
 * so that the service dies once.
 */
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { connectNbd, type NbdClient } from '../../../src/nbd/index.ts';
import { diskOf, type VersionAnswer } from '../../support/moving-images.ts';
import { imageBlock, patternBlock, writePatternImage } from '../../support/pattern-image.ts';
import { until } from '../../support/until.ts';
import { type Bench, MIB } from './bench.ts';
import type { Kind } from './places.ts';
import { consoleOf, soon } from './volumes.ts';

const SIZE = 12 * MIB;
const BLOCK = 4096;
const KINDS_OF_VDISKS: readonly Kind[] = ['btrfs', 'nfs', 'iscsi', 'tgt', 'ceph'];

interface VdiskPlaces {
  readonly production: number | null;
  readonly repository: string | null;
  readonly overlayRepository: string | null;
  readonly overlaysElsewhere: number;
}

interface Repository {
  readonly name: string;
  readonly state: string;
  readonly overlays: number;
}

const vdiskOf = (kind: Kind): string => `image-${kind}`;
const machineOf = (kind: Kind, number: number): string => `${vdiskOf(kind)}-${number}`;

/** The image with some blocks of others, by number and whose they are. */
function diskWith(...blocks: readonly (readonly [at: number, by: number])[]): Buffer {
  const changed = new Map(blocks);
  return Buffer.concat(
    Array.from({ length: SIZE / BLOCK }, (_, at) => {
      const by = changed.get(at);
      return by === undefined ? imageBlock(at) : patternBlock(at, by);
    }),
  );
}

export function vdiskTests(bench: () => Bench): void {
  const { json, refused } = consoleOf(bench);
  const clients: NbdClient[] = [];
  /** What was on each array before. */
  const before = new Map<Kind, readonly string[]>();
  const service = () => bench().console.service;
  const write = (client: NbdClient, at: number, by: number): Promise<void> =>
    client.write(patternBlock(at, by), at * BLOCK);

  /** As a machine does, that waits for its disk and asks again: an array may take its time to make a write cache. */
  async function connect(machine: string): Promise<NbdClient> {
    let client: NbdClient | undefined;
    await until(`${machine} is served`, async () => {
      client = await connectNbd(service().uri(`machine/${machine}`)).catch(() => undefined);
      return client !== undefined;
    });
    if (client === undefined) throw new Error('not reached');
    return client;
  }

  afterAll(async () => {
    await Promise.allSettled(clients.splice(0).map((client) => client.disconnect()));
  });

  async function addMachine(kind: Kind, number: number, cache: string): Promise<string> {
    const name = machineOf(kind, number);
    const mac = `52:54:00:00:00:${KINDS_OF_VDISKS.indexOf(kind) + 1}${number}`;
    const options = ['--mac', mac, '--vdisk', vdiskOf(kind), '--cache', cache];
    await json('machine', 'add', name, ...options);
    return name;
  }

  async function expectDisk(exportName: string, disk: Buffer): Promise<void> {
    expect((await diskOf(service(), exportName)).equals(disk), exportName).toBe(true);
  }

  /** Overlays in the service's own repository, of machines of this kind. */
  async function ownOverlays(kind: Kind): Promise<number> {
    const machines = await json<readonly { id: string; name: string }[]>('machine', 'list');
    const ids = machines.filter(({ name }) => name.startsWith(`${vdiskOf(kind)}-`));
    const volumes = service().volumes();
    return ids.filter(({ id }) => volumes.some((name) => name.includes(id))).length;
  }

  /** Whoever has left has left when the last of it is on the array. */
  async function whenLeft<T>(...args: string[]): Promise<T> {
    let answer: { readonly is: T } | undefined;
    await until(`${args.join(' ')} is possible`, async () => {
      answer = await json<T>(...args).then(
        (is) => ({ is }),
        (error: unknown) => {
          if (!String(error).includes('IN_USE')) throw error;
          return undefined;
        },
      );
      return answer !== undefined;
    });
    if (answer === undefined) throw new Error('not reached');
    return answer.is;
  }

  /** A machine of its own writes a private version, which is then sealed. @returns its number */
  async function writeVersion(kind: Kind): Promise<number> {
    const vdisk = vdiskOf(kind);
    const { number } = await json<VersionAnswer>('version', 'create', vdisk, '--private');
    const writer = await addMachine(kind, 9, 'server');
    const client = await connect(writer);
    // It boots what the second machine has written.
    const read = Buffer.alloc(2 * BLOCK);
    await client.read(read, 7 * BLOCK);
    expect(read.equals(Buffer.concat([patternBlock(7, 2), patternBlock(8, 2)]))).toBe(true);
    await write(client, 700, 9);
    await client.flush();
    await client.disconnect();
    await whenLeft('version', 'seal', vdisk, String(number));
    await json('machine', 'delete', writer);
    return number;
  }

  /** All that is on the array; where only we can tell, how much room it has. */
  async function objectsOf(kind: Kind): Promise<readonly string[]> {
    const { objects } = bench().places.of(kind);
    if (objects !== undefined) return objects();
    const health = await json<{ space: { free: number } }>('repository', 'health', kind);
    return [String(health.space.free)];
  }

  describe.each(KINDS_OF_VDISKS)('a vDisk on %s', (kind) => {
    const vdisk = vdiskOf(kind);

    test('is imported, and written by machines whose write caches lie here and there', async () => {
      before.set(kind, await objectsOf(kind));
      const path = join(service().data, `${vdisk}.img`);
      writePatternImage(path, SIZE);
      await json('vdisk', 'import', path, '--name', vdisk, '--repository', kind);
      await expectDisk(`vdisk/${vdisk}`, diskWith());
      const first = await connect(await addMachine(kind, 1, 'server-persistent'));
      await write(first, 7, 1);
      await first.flush();
      await first.disconnect();
      const moved = await json<VdiskPlaces>('vdisk', 'set', vdisk, '--overlay-repository', kind);
      expect(moved).toMatchObject({ overlayRepository: kind, overlaysElsewhere: 1 });

      const second = await connect(await addMachine(kind, 2, 'server-persistent'));
      clients.push(second);
      await write(second, 7, 2);
      await second.flush();
      // Acknowledged, and no more than that, when the service is killed.
      await write(second, 8, 2);
      expect(await ownOverlays(kind)).toBe(1);
      expect(await json<Repository>('repository', 'show', kind)).toMatchObject({ overlays: 1 });
      const why = await refused('repository', 'detach', kind);
      expect(why).toContain('IN_USE');
      expect(why).toContain(machineOf(kind, 2));
    });
  });

  test('the service is killed: every write cache has what was acknowledged', async () => {
    await bench().kill();
    await Promise.allSettled(clients.splice(0).map((client) => client.disconnect()));
    await bench().restart();
    await soon('all are attached', async () => {
      const repositories = await json<readonly Repository[]>('repository', 'list');
      return KINDS_OF_VDISKS.every((kind) =>
        repositories.some(({ name, state }) => name === kind && state === 'attached'),
      );
    });
    for (const kind of KINDS_OF_VDISKS) {
      await expectDisk(`machine/${machineOf(kind, 1)}`, diskWith([7, 1]));
      await expectDisk(`machine/${machineOf(kind, 2)}`, diskWith([7, 2], [8, 2]));
    }
  });

  describe.each(KINDS_OF_VDISKS)('what was written of the vDisk on %s', (kind) => {
    const vdisk = vdiskOf(kind);

    test('becomes versions there that machines boot, is merged, and leaves nothing', async () => {
      const captured = await whenLeft<VersionAnswer>('machine', 'capture', machineOf(kind, 2));
      await json('version', 'promote', vdisk, String(captured.number));
      const version = await writeVersion(kind);
      expect(await json<VdiskPlaces>('vdisk', 'show', vdisk)).toMatchObject({
        production: version,
        overlaysElsewhere: 1,
      });
      // Of all layers and overlays only one is the service's: that of the first machine.
      expect(await ownOverlays(kind)).toBe(1);
      const written = [[7, 2] as const, [8, 2] as const, [700, 9] as const];
      await json('vdisk', 'verify', vdisk);
      const merged = ['version', 'merge', vdisk, String(version), '--mode', 'full'];
      expect(await json<VersionAnswer>(...merged)).toMatchObject({ depth: 1 });
      await expectDisk(`vdisk/${vdisk}`, diskWith(...written));

      for (const number of [1, 2]) await json('machine', 'delete', machineOf(kind, number));
      await whenLeft('vdisk', 'delete', vdisk);
      expect(await json<Repository>('repository', 'show', kind)).toMatchObject({ overlays: 0 });
      // What was replaced is deleted while nobody waits.
      await soon('nothing is left', async () => {
        const left = await objectsOf(kind);
        return left.join() === before.get(kind)?.join();
      });
    });
  });
}
