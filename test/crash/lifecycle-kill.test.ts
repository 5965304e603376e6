/**
 * kill -9 of the service while versions come about, are merged and go, and a machine runs from one of them.
 * After each restart: what was begun has happened whole or not at all, and has happened if it was
 * acknowledged; every version reads as it was sealed; overlays have everything that was acknowledged; and the
 * disk holds what the catalog knows and nothing else.
 */
import { closeSync, ftruncateSync, openSync, writeFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { connectNbd } from '../../src/nbd/client/index.ts';
import { SEED, seededRandom } from '../support/seed.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { whatIsWrong } from './lifecycle/disk-and-catalog.ts';
import { KilledService, type Work } from './lifecycle/killed-service.ts';
import {
  after,
  BEGUN,
  DECIDED,
  type DiskWatch,
  grown,
  MANIFEST,
  MAP,
  type Moment,
  RENAMED,
  until,
  VOLUME_GONE,
} from './lifecycle/moments.ts';
import { RunningMachine } from './lifecycle/running-machine.ts';
import {
  contentOf,
  expectTagged,
  type Look,
  type Tags,
  UNIT_BYTES,
  writeTagged,
} from './lifecycle/tagged-disk.ts';

const MIB = 2 ** 20;
const UNITS = (128 * MIB) / UNIT_BYTES;
/** Of the image that everything begins with; the rest of it is a hole. */
const IMAGE_UNITS = (24 * MIB) / UNIT_BYTES;
/** What is written for each version. */
const CHANGED_UNITS = (80 * MIB) / UNIT_BYTES;
/** Of versions that the work did not concern, one part in so many is read after each kill. */
const LOOKED_AT = 4;
/** A moment that does not come in so many times the duration of the work is given up. */
const PATIENCE = 10;
const POLL_MS = 20;
/** Layers on which nothing stands any more are gone so long after a start. */
const TIDY_MS = 10_000;

const random = seededRandom();
const below = (limit: number): number => Math.floor(random() * limit);

interface Version {
  readonly number: number;
  readonly state: 'maintenance' | 'test' | 'production' | 'deleting';
  readonly depth: number;
  readonly contentId: string | null;
}

const KINDS = ['seal', 'capture', 'merge full', 'merge partial', 'delete', 'import'] as const;
type Kind = (typeof KINDS)[number];

/** How often each is killed. */
const KILLS: Readonly<Record<Kind, number>> = {
  seal: 7,
  capture: 4,
  'merge full': 5,
  'merge partial': 5,
  delete: 3,
  import: 3,
};
const ALL_KILLS = Object.values(KILLS).reduce((sum, kills) => sum + kills, 0);
/** … and of these in a row; then it is left to come to its end. */
const MOST_KILLS_IN_A_ROW = 3;

/** Traces that the work leaves on the way: every other kill comes at one of them, the others at any time. */
const STEPS: Readonly<Record<Kind, readonly Moment[]>> = {
  seal: [RENAMED, MANIFEST, VOLUME_GONE, MAP],
  capture: [VOLUME_GONE, RENAMED],
  'merge full': [RENAMED, grown(32 * MIB), BEGUN],
  'merge partial': [grown(32 * MIB), RENAMED, MANIFEST],
  delete: [DECIDED, VOLUME_GONE],
  import: [RENAMED, grown(16 * MIB)],
};

describe(`kill -9 in the life of a vDisk (seed ${SEED})`, () => {
  let folder: Awaited<ReturnType<typeof temporaryFolder>>;
  let service: KilledService;
  let running: RunningMachine;
  /** What every sealed version holds, and its content id when it was first seen. */
  const sealed = new Map<number, { readonly tags: Tags; contentId: string | undefined }>();
  /** The newest of them; production machines boot it. */
  let newest = 1;
  let lastTag = 1;
  const durations = new Map<Kind, number>();
  const kills = new Map<Kind, number>();
  let done = 0;
  let isKilling = false;

  beforeAll(async () => {
    folder = await temporaryFolder('lifecycle-kill');
    const tags = new Uint32Array(UNITS);
    tags.fill(1, 0, IMAGE_UNITS);
    writeImage(join(folder.path, 'base.img'), tags);
    writeFileSync(join(folder.path, 'vmlinuz'), 'kernel');
    service = await KilledService.start();
    const importing = importOf('v');
    durations.set('import', await service.measure(importing));
    sealed.set(1, { tags, contentId: undefined });
    for (const [index, name] of ['writer', 'captured', 'running'].entries()) {
      const cacheMode = name === 'running' ? 'server-persistent' : 'server';
      const mac = `52:54:00:00:03:0${index}`;
      await service.ask('POST', '/machines', { name, mac, vdisk: 'v', cacheMode });
    }
    running = new RunningMachine(tags, random);
    await running.start(service.uri('machine/running'));
  });

  afterAll(async () => {
    await running.stop();
    await service.remove();
    await folder.remove();
  });

  const importOf =
    (name: string): Work =>
    (to) =>
      to.task('POST', '/vdisks', {
        name,
        path: join(folder.path, 'base.img'),
        format: 'raw',
        kernel: join(folder.path, 'vmlinuz'),
      });

  const versions = async (): Promise<readonly Version[]> =>
    (await service.ask<{ items: readonly Version[] }>('GET', '/vdisks/v/versions')).items;

  const version = async (number: number): Promise<Version | undefined> =>
    (await versions()).find((one) => one.number === number);

  const tagsOf = (number: number): Tags => {
    const known = sealed.get(number);
    if (known === undefined) throw new Error(`there is no version ${number}`);
    return known.tags;
  };

  /** A machine writes over a disk of which only that is known. @returns what it holds now */
  async function write(machine: string, base: Tags): Promise<Tags> {
    const tags = Uint32Array.from(base);
    const from = below(UNITS - CHANGED_UNITS);
    const client = await connectNbd(service.uri(`machine/${machine}`));
    lastTag += 1;
    await writeTagged(client, tags, [from, from + CHANGED_UNITS], lastTag);
    await client.disconnect();
    await untilOff(machine);
    return tags;
  }

  const untilOff = (machine: string): Promise<void> => untilClosed(`/machines/${machine}`);

  /** A client has left a moment before the service knows it. */
  async function untilClosed(path: string): Promise<void> {
    for (;;) {
      const found = await service.ask<{ connections: number | readonly unknown[] }>('GET', path);
      const { connections } = found;
      if ((typeof connections === 'number' ? connections : connections.length) === 0) return;
      await sleep(POLL_MS);
    }
  }

  async function halt(): Promise<void> {
    await running.stop();
    await untilOff('running');
  }

  async function read(exportName: string, tags: Tags, look?: Look): Promise<void> {
    const client = await connectNbd(service.uri(exportName));
    await expectTagged(client, tags, exportName, look);
    await client.disconnect();
  }

  /** The first thing that a service does after its start is to remove layers on which nothing stands. */
  async function untilTidy(): Promise<void> {
    const end = performance.now() + TIDY_MS;
    while (whatIsWrong(service.data).length > 0 && performance.now() < end) await sleep(POLL_MS);
    expect(whatIsWrong(service.data)).toEqual([]);
  }

  /** All that must be so whatever was cut off. */
  async function check(concerned: number): Promise<void> {
    await untilTidy();
    const listed = (await versions()).filter(({ state }) => state !== 'maintenance');
    expect(listed.map(({ number }) => number)).toEqual([...sealed.keys()].sort((a, b) => a - b));
    for (const { number, contentId } of listed) {
      const known = sealed.get(number);
      if (known === undefined) throw new Error(`there is no version ${number}`);
      known.contentId ??= contentId ?? undefined;
      expect(contentId).toBe(known.contentId);
      const every = number === concerned ? 1 : LOOKED_AT;
      await read(`vdisk/v/${number}`, known.tags, { every, from: below(every) });
    }
    await running.verify(service.uri('machine/running'));
    expect(await service.task('POST', '/vdisks/v/verify')).toMatchObject({ damagedChunks: 0 });
  }

  /** When the work is killed the next time; undefined: it has been often enough. */
  function nextMoment(kind: Kind): ((watch: DiskWatch) => Promise<boolean>) | undefined {
    const count = kills.get(kind) ?? 0;
    const duration = durations.get(kind);
    if (duration === undefined || !isKilling || count >= KILLS[kind]) return undefined;
    kills.set(kind, count + 1);
    const step = count % 2 === 0 ? STEPS[kind][count / 2] : undefined;
    if (step === undefined) return () => after(random() * 1.15 * duration);
    return (watch) => until(step, watch, PATIENCE * duration);
  }

  /**
   * Kills the service in the middle of the work, until that has happened all the same.
   * @param hasHappened after a restart: whether it has
   * @param whole what must be there when it has not
   */
  async function killUntilDone(
    kind: Kind,
    work: Work,
    hasHappened: () => Promise<boolean>,
    whole: () => Promise<void> = async () => undefined,
  ): Promise<void> {
    for (let inRow = 0; inRow < MOST_KILLS_IN_A_ROW; inRow++) {
      const moment = nextMoment(kind);
      if (moment === undefined) break;
      const acknowledged = await service.kill(work, moment);
      await running.died();
      const isDone = await hasHappened();
      if (acknowledged) expect(isDone).toBe(true);
      if (!isDone) await whole();
      await check(newest);
      await running.start(service.uri('machine/running'));
      if (!isDone) continue;
      done += 1;
      return;
    }
    durations.set(kind, await service.measure(work));
    expect(await hasHappened()).toBe(true);
  }

  async function sealNext(): Promise<void> {
    await halt(); // private mode is for one machine alone
    const { number } = await service.ask<Version>('POST', '/vdisks/v/versions', { private: true });
    await running.start(service.uri('machine/running'));
    await service.ask('POST', '/machines/writer/reset'); // it has not booted since it wrote another
    const tags = await write('writer', tagsOf(newest));
    await killUntilDone(
      'seal',
      (to) => to.task('POST', `/vdisks/v/versions/${number}/seal`),
      async () => {
        if ((await version(number))?.state !== 'production') return false;
        sealed.set(number, { tags, contentId: undefined });
        newest = number;
        return true;
      },
      async () => {
        await read('machine/writer', tags);
        await untilOff('writer');
      },
    );
  }

  async function captureOne(): Promise<number> {
    await service.ask('POST', '/machines/captured/reset');
    const tags = await write('captured', tagsOf(newest));
    const number = 1 + Math.max(...(await versions()).map((one) => one.number));
    await killUntilDone(
      'capture',
      (to) => to.task('POST', '/machines/captured/capture', {}),
      async () => {
        const captured = await version(number);
        if (captured === undefined) return false;
        expect(captured.state).toBe('test');
        sealed.set(number, { tags, contentId: undefined });
        return true;
      },
      async () => {
        await read('machine/captured', tags);
        await untilOff('captured');
      },
    );
    await read('machine/captured', tagsOf(newest)); // it begins anew
    await untilOff('captured');
    return number;
  }

  async function remove(number: number): Promise<void> {
    await killUntilDone(
      'delete',
      (to) => to.call('DELETE', `/vdisks/v/versions/${number}`),
      async () => {
        if ((await version(number)) !== undefined) return false;
        sealed.delete(number);
        return true;
      },
    );
  }

  /** The machine that runs does so from the newest version, whose layers are merged below it. */
  async function mergeNewest(mode: 'full' | 'partial'): Promise<void> {
    await halt();
    await service.ask('POST', '/machines/running/reset');
    running.reset(tagsOf(newest));
    await running.start(service.uri('machine/running'));
    const depth = (await version(newest))?.depth ?? 0;
    await killUntilDone(
      `merge ${mode}`,
      (to) => to.task('POST', `/vdisks/v/versions/${newest}/merge`, { mode }),
      async () => ((await version(newest))?.depth ?? 0) < depth,
    );
  }

  async function importAnother(): Promise<void> {
    await killUntilDone('import', importOf('w'), async () => {
      const { items } = await service.ask<{ items: readonly { name: string }[] }>('GET', '/vdisks');
      return items.some(({ name }) => name === 'w');
    });
    await read('vdisk/w', tagsOf(1));
    await untilClosed('/vdisks/w');
    await service.ask('DELETE', '/vdisks/w');
  }

  /** One of each, so that it is known how long they take. */
  test('every kind of work is done when nobody kills anything', async () => {
    await sealNext();
    await sealNext();
    await mergeNewest('partial');
    await mergeNewest('full');
    await remove(await captureOne());
    await halt();
    await check(newest);
    await running.start(service.uri('machine/running'));
  });

  const killsOf = (kind: Kind): number => kills.get(kind) ?? 0;
  const isEnough = (): boolean => KINDS.every((kind) => killsOf(kind) >= KILLS[kind]);

  test(`nothing is lost or left over in ${ALL_KILLS} kills`, { timeout: 1_200_000 }, async () => {
    isKilling = true;
    while (!isEnough()) {
      const old = [...sealed.keys()].filter((number) => number !== 1);
      await sealNext();
      await remove(await captureOne());
      await sealNext();
      await mergeNewest('partial');
      await mergeNewest('full');
      await importAnother();
      for (const number of old) {
        await service.ask('DELETE', `/vdisks/v/versions/${number}`);
        sealed.delete(number);
      }
    }
    expect(done).toBeGreaterThan(0);
    expect(done).toBeLessThan(ALL_KILLS);
    expect(running.writes).toBeGreaterThan(ALL_KILLS);
    await halt();
    await check(1);
  });
});

function writeImage(path: string, tags: Tags): void {
  const file = openSync(path, 'w');
  try {
    ftruncateSync(file, tags.length * UNIT_BYTES);
    writeSync(file, contentOf(tags, 0, IMAGE_UNITS), 0, IMAGE_UNITS * UNIT_BYTES, 0);
  } finally {
    closeSync(file);
  }
}
