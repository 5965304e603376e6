/**
 * kill -9 while a folder's volumes are made, grown, copied and deleted: what was acknowledged is there, what was under
 * way is done or not, nothing is half done, and the same wish again is fulfilled once.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdir } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import type { ArrayControl, VolumeData } from '../../src/repositories/index.ts';
import { pattern, present, readAll } from '../compliance/array/bench.ts';
import { loopFileSystem } from '../interop/local/loop-file-system.ts';
import { attachLocal, localConnection } from '../support/local-arrays.ts';
import { describeWith, program, root } from '../support/requires.ts';
import { SEED, seededRandom } from '../support/seed.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { BASE_TAG, fulfil, type Said, type Wish } from './local-array-process.ts';

const LIVES = 6;
/** Copying it takes a while, so that some kills come in the middle. */
const BASE_BYTES = 8 * 1024 * 1024;

/** What must be there: the size of each volume, and the tags of the snapshots. */
interface Model {
  readonly volumes: Map<string, number>;
  readonly snapshots: Set<string>;
}

function note({ volumes, snapshots }: Model, wish: Wish): void {
  const { tag } = wish;
  if (wish.kind === 'create' || wish.kind === 'grow') volumes.set(tag, wish.size);
  else if (wish.kind === 'clone') volumes.set(tag, BASE_BYTES);
  else if (wish.kind === 'delete') volumes.delete(tag);
  else if (wish.kind === 'snapshot') snapshots.add(tag);
  else snapshots.delete(tag);
}

async function oneLife(path: string, seed: number, forMs: number): Promise<Said[]> {
  const script = fileURLToPath(new URL('./local-array-process.ts', import.meta.url));
  const child = spawn(process.execPath, [script, path, String(seed)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let text = '';
  child.stdout.setEncoding('utf8').on('data', (part: string) => {
    text += part;
  });
  const left = once(child, 'close');
  await Promise.race([once(child.stdout, 'data'), left]);
  await sleep(forMs);
  child.kill('SIGKILL');
  const [, signal] = await left;
  expect(signal).toBe('SIGKILL');
  const lines = text.split('\n');
  lines.pop(); // cut in the middle, or empty
  return lines.map((line) => JSON.parse(line) as Said);
}

async function check(control: ArrayControl, path: string, model: Model): Promise<void> {
  const { items } = await control.listVolumes({ ownedOnly: false });
  const sizes = new Map(items.map(({ tag, size }) => [tag ?? 'a stranger', size]));
  expect(sizes).toEqual(model.volumes);
  const snapshots = (await control.snapshots?.listSnapshots({}))?.items ?? [];
  expect(new Set(snapshots.map(({ tag }) => tag))).toEqual(model.snapshots);
  expect(await control.health()).toMatchObject({ state: 'good', messages: [] });
  // Each of them has a file and its description, and nothing else is there.
  expect((await readdir(path)).length).toBe(1 + 2 * (items.length + snapshots.length));
}

async function checkCopies(control: ArrayControl, data: VolumeData, base: Buffer): Promise<void> {
  const { items } = await control.listVolumes({ ownedOnly: true });
  const snapshots = (await control.snapshots?.listSnapshots({}))?.items ?? [];
  for (const each of [...items.filter(({ size }) => size === BASE_BYTES), ...snapshots]) {
    const device = await data.open(each.locator, { write: false });
    expect((await readAll(device)).equals(base), each.ref.name).toBe(true);
    await device.close();
  }
}

async function liveAndDie(path: string): Promise<void> {
  const random = seededRandom();
  const model: Model = { volumes: new Map([[BASE_TAG, BASE_BYTES]]), snapshots: new Set() };
  const first = await attachLocal(localConnection(path), { create: true });
  const wanted = { opId: 'b', tag: BASE_TAG, name: BASE_TAG, size: BASE_BYTES, thin: true };
  const { locator } = await first.control.createVolume(wanted);
  const base = pattern(BASE_BYTES, 3);
  const device = await first.data.open(locator, { write: true });
  await device.write(base, 0, { fua: true });
  await device.close();
  await first.control.close();

  let acknowledged = 0;
  for (let life = 1; life <= LIVES; life += 1) {
    const said = await oneLife(path, Math.floor(random() * 2 ** 30), random() * 300);
    for (const each of said) {
      if (!('done' in each)) continue;
      note(model, each.done);
      acknowledged += 1;
    }
    const last = present(said.at(-1), 'a word of the process');
    const { control, data } = await attachLocal(localConnection(path));
    if ('begin' in last) {
      await fulfil(control, last.begin);
      note(model, last.begin);
    }
    await check(control, path, model);
    await checkCopies(control, data, base);
    await data.close?.();
    await control.close();
  }
  expect(acknowledged).toBeGreaterThan(LIVES);
}

describe(`kill -9 of who changes a folder (seed ${SEED})`, () => {
  test('leaves nothing half done', async () => {
    const folder = await temporaryFolder('local-kill');
    try {
      await liveAndDie(folder.path);
    } finally {
      await folder.remove();
    }
  });
});

const needs = [root(), program('losetup', 'mount'), program('mkfs.xfs', 'xfsprogs')];
describeWith(needs, `kill -9 of who copies by reflink (seed ${SEED})`, () => {
  test('leaves nothing half done', async () => {
    const mounted = await loopFileSystem('xfs');
    try {
      await liveAndDie(mounted.here);
    } finally {
      await mounted.remove();
    }
  });
});
