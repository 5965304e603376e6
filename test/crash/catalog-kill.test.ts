/**
 * kill -9 of the service in the middle of imports, deletions and changes, at random moments. After each
 * restart: what was acknowledged is so, what was not is done whole or not at all, and the disk holds
 * the layers and overlays of the catalog and nothing else.
 */
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { connectNbd } from '../../src/nbd/client/index.ts';
import { imageBlock, writePatternImage } from '../support/pattern-image.ts';
import { SEED, seededRandom } from '../support/seed.ts';
import { ServiceProcess } from '../support/service-process.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';

const ROUNDS = 8;
const CLIENTS = 4;
/** Names that one client works on: few, so that it meets its own leftovers. */
const NAMES = 3;
const POLL_MS = 10;

const random = seededRandom();
const below = (limit: number): number => Math.floor(random() * limit);
const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

interface Answer {
  readonly status: number;
  readonly body: unknown;
}

/** Whether a thing is there: certain, or undefined while a change of it was cut off. */
type Known = Map<string, boolean | undefined>;

interface Task {
  readonly id: string;
  readonly state: string;
}

describe(`kill -9 of the control plane (seed ${SEED})`, () => {
  let folder: Awaited<ReturnType<typeof temporaryFolder>>;
  let service: ServiceProcess;
  const vdisks: Known = new Map();
  const machines: Known = new Map();
  let acknowledged = 0;
  let cutOff = 0;

  beforeAll(async () => {
    folder = await temporaryFolder('catalog-kill');
    writePatternImage(join(folder.path, 'base.img'), 4 * 2 ** 20);
    service = await ServiceProcess.start();
    await service.json('vdisk', 'import', join(folder.path, 'base.img'), '--name', 'base');
    vdisks.set('base', true);
  });

  afterAll(async () => {
    await service.remove();
    await folder.remove();
  });

  /** undefined: the service died before it answered. */
  async function call(method: string, path: string, body?: object): Promise<Answer | undefined> {
    try {
      const response = await fetch(`${service.http}/v1${path}`, {
        method,
        headers: {
          authorization: `Bearer ${service.token}`,
          ...(body === undefined ? {} : { 'content-type': 'application/json' }),
        },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      });
      return {
        status: response.status,
        body: response.status === 204 ? {} : await response.json(),
      };
    } catch {
      return undefined;
    }
  }

  /** Makes or deletes one thing, and remembers what is known of it. @returns false: the service is gone */
  async function change(known: Known, name: string, to: boolean, work: () => Promise<boolean>) {
    known.set(name, undefined);
    if (!(await work())) {
      cutOff += 1;
      return false;
    }
    known.set(name, to);
    acknowledged += 1;
    return true;
  }

  const done = (answer: Answer | undefined): answer is Answer => {
    if (answer === undefined) return false;
    if (answer.status >= 300)
      throw new Error(`seed ${SEED}: refused: ${JSON.stringify(answer.body)}`);
    return true;
  };

  async function importVdisk(name: string): Promise<boolean> {
    const started = await call('POST', '/vdisks', { name, path: join(folder.path, 'base.img') });
    if (!done(started)) return false;
    const { id } = started.body as Task;
    for (;;) {
      const answer = await call('GET', `/tasks/${id}`);
      if (!done(answer)) return false;
      const { state } = answer.body as Task;
      if (state === 'succeeded') return true;
      if (state !== 'running') throw new Error(`seed ${SEED}: ${JSON.stringify(answer.body)}`);
      await pause(POLL_MS);
    }
  }

  /** One overlay is opened, so that there is something to delete. */
  async function addMachine(name: string, mac: string): Promise<boolean> {
    const body = { name, mac, vdisk: 'base', cacheMode: 'server-persistent' };
    if (!done(await call('POST', '/machines', body))) return false;
    try {
      const client = await connectNbd(service.uri(`machine/${name}`));
      await client.write(Buffer.alloc(4096, 1), 0);
      await client.disconnect();
    } catch {
      // killed meanwhile: the machine was acknowledged all the same
    }
    return true;
  }

  /** Works on names of its own until the service is gone. */
  async function client(index: number): Promise<void> {
    for (;;) {
      const number = below(NAMES);
      const name = `${index}-${number}`;
      const isVdisk = below(2) === 0;
      const known = isVdisk ? vdisks : machines;
      const path = isVdisk ? `/vdisks/v${name}` : `/machines/m${name}`;
      const key = `${isVdisk ? 'v' : 'm'}${name}`;
      const there = known.get(key) ?? false;
      const work = there
        ? async () => done(await call('DELETE', path))
        : isVdisk
          ? () => importVdisk(key)
          : () => addMachine(key, `52:54:00:00:0${index}:0${number}`);
      if (!(await change(known, key, !there, work))) return;
    }
  }

  async function list<T>(path: string): Promise<readonly T[]> {
    const answer = await call('GET', path);
    if (!done(answer)) throw new Error(`seed ${SEED}: the service is gone`);
    return (answer.body as { items: T[] }).items;
  }

  /** Nothing acknowledged is missing or back; what was cut off is there or not, from here on known. */
  function compare(known: Known, items: readonly { readonly name: string }[]): void {
    const found = items.map(({ name }) => name);
    for (const [name, there] of known) {
      if (there !== undefined && there !== found.includes(name)) {
        throw new Error(`seed ${SEED}: ${name} is ${there ? 'gone' : 'back'}`);
      }
      known.set(name, found.includes(name));
    }
    expect(found.filter((name) => !known.has(name))).toEqual([]);
  }

  let journalCount: number | undefined;

  /** Volumes and layers on disk against those of the catalog. */
  async function compareDisk(): Promise<void> {
    const layers = readdirSync(join(service.data, 'layers'));
    expect(layers).toHaveLength([...vdisks.values()].filter((there) => there).length);
    const volumes = readdirSync(join(service.data, 'repository')).map((file) =>
      file.replace(/\.volume$/, ''),
    );
    const overlays = volumes.filter((volume) => volume.startsWith('overlay.'));
    // Each start has fresh flush journals, two segments a worker, and deletes those before it.
    const journals = volumes.filter((volume) => volume.startsWith('journal.'));
    journalCount ??= journals.length;
    expect(journals).toHaveLength(journalCount);
    const others = volumes.filter((volume) => ![...overlays, ...journals].includes(volume));
    expect(others.sort()).toEqual(layers.sort());
    const ids = (await list<{ id: string }>('/machines')).map(({ id }) => id);
    const kinds = new Map<string, string[]>();
    for (const volume of overlays) {
      const [, id = '', generation = '', , kind = ''] = volume.split('.');
      expect(ids).toContain(id);
      kinds.set(`${id}.${generation}`, [...(kinds.get(`${id}.${generation}`) ?? []), kind].sort());
    }
    for (const pair of kinds.values()) expect(pair).toEqual(['data', 'map']);
    expect(new Set([...kinds.keys()].map((key) => key.split('.')[0])).size).toBe(kinds.size);
  }

  async function readable(): Promise<void> {
    const got = Buffer.alloc(4096);
    for (const [name, there] of vdisks) {
      if (there !== true) continue;
      const nbd = await connectNbd(service.uri(`vdisk/${name}`));
      await nbd.read(got, 7 * 4096);
      expect(got.equals(imageBlock(7))).toBe(true);
      await nbd.disconnect();
    }
  }

  test(`catalog and disk agree after each of ${ROUNDS} kills`, async () => {
    for (let round = 0; round < ROUNDS; round++) {
      const clients = Array.from({ length: CLIENTS }, (_, index) => client(index));
      await pause(100 + below(900));
      expect(await service.kill()).toBe('SIGKILL');
      await Promise.all(clients);
      service = await ServiceProcess.start({ data: service.data });
      compare(vdisks, await list('/vdisks'));
      compare(machines, await list('/machines'));
      await compareDisk();
      await readable();
      const tasks = await list<Task>('/tasks');
      expect(tasks.filter(({ state }) => state === 'running')).toEqual([]);
    }
    // It was worth something: changes were acknowledged, and changes were cut off.
    expect(acknowledged).toBeGreaterThan(ROUNDS);
    expect(cutOff).toBeGreaterThanOrEqual(ROUNDS);
  });
});
