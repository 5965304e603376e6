/** Versions as images and chunks, from a service with real layers. */

import { createHash } from 'node:crypto';
import { mkdir, readdir, readFile, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import {
  deleteVersion,
  exportBundle,
  exportVersion,
  mergeVersion,
  openChunks,
  openVersionContent,
  showTask,
  showVdisk,
  type TaskView,
} from '../../../../src/control/index.ts';
import { STREAMS_AT_ONCE } from '../../../../src/service/transfers/limits.ts';
import { temporaryFolder } from '../../../support/temporary-folder.ts';
import { disk, Rig } from './rigs.ts';

const CONTENT = disk([1, 2, 3, 4]);
const never = new AbortController().signal;

let rig: Rig;
let folder: Awaited<ReturnType<typeof temporaryFolder>>;
beforeEach(async () => {
  rig = await Rig.open();
  folder = await temporaryFolder('exports');
  await rig.inner.importDisk('debian', CONTENT);
  await rig.derive('debian', { 0: 5 });
  await rig.derive('debian', { 3: 6 });
});
afterEach(async () => {
  expect(rig.control.dataPlane.layersInUse().open.size).toBe(0);
  expect(rig.leftOver()).toEqual([]);
  await rig.close();
  await folder.remove();
});

async function ended(task: TaskView): Promise<TaskView> {
  await rig.control.tasks.settled(task.id);
  return showTask(rig.control, task.id);
}

async function taken(pieces: AsyncIterable<Buffer>): Promise<Buffer> {
  const all: Buffer[] = [];
  for await (const piece of pieces) all.push(Buffer.from(piece));
  return Buffer.concat(all);
}

describe('an image', () => {
  test('stays what it is while its version is merged and deleted', async () => {
    const wanted = await rig.read('debian', 2);
    const input = { format: 'raw' } as const;
    const { stream } = await openVersionContent(
      rig.control,
      ...(['debian', 2, input, never] as const),
    );
    await rig.inner.done(mergeVersion(rig.control, 'debian', 3, { mode: 'full' }));
    expect(await deleteVersion(rig.control, 'debian', 2)).toEqual({ state: 'deleting' });
    expect((await taken(stream.pieces)).equals(wanted)).toBe(true);
    await stream.close();
    await stream.close();
    await rig.inner.observe(rig.inner.now + 60_000);
    expect(showVdisk(rig.control, 'debian').versions.map(({ number }) => number)).toEqual([1, 3]);
  });

  test('holds no layer when it could not be begun, or was not read', async () => {
    const input = { format: 'vhd', parent: 1 } as const;
    const open = (signal: AbortSignal) =>
      openVersionContent(rig.control, ...(['debian', 2, input, signal] as const));
    await expect(open(AbortSignal.abort())).rejects.toMatchObject({ code: 'CANCELLED' });
    const { stream } = await open(never);
    expect(rig.control.dataPlane.layersInUse().open.size).toBe(2);
    await stream.close();
  });

  test('is one of so many at the same time', async () => {
    const open = () =>
      openVersionContent(rig.control, ...(['debian', 1, { format: 'raw' }, never] as const));
    const all = await Promise.all(Array.from({ length: STREAMS_AT_ONCE }, open));
    await expect(open()).rejects.toMatchObject({ code: 'LIMIT_EXCEEDED' });
    await Promise.all(all.map(({ stream }) => stream.close()));
    const { stream } = await open();
    expect((await taken(stream.pieces)).equals(CONTENT)).toBe(true);
    await stream.close();
    await stream.close();
    await expect(
      openVersionContent(
        rig.control,
        ...(['debian', 1, { format: 'raw', compress: true }, never] as const),
      ),
    ).rejects.toMatchObject({ code: 'INVALID_INPUT' });
  });

  test('goes into a file, but never into the data folder', async () => {
    await symlink(rig.inner.layersFolder, join(folder.path, 'link'));
    await mkdir(join(rig.inner.folder, 'below'));
    const write = (path: string) =>
      ended(exportVersion(rig.control, 'debian', 3, { path, format: 'raw' }));
    for (const path of [
      join(rig.inner.folder, 'x'),
      join(rig.inner.folder, 'below', 'x'),
      join(folder.path, 'link', 'x'),
      join(folder.path, '..', rig.inner.folder.split('/').at(-1) ?? '', 'x'),
    ]) {
      expect(await write(path)).toMatchObject({ error: { code: 'INVALID_INPUT', field: 'path' } });
    }
    expect(await write(join(folder.path, 'none', 'x'))).toMatchObject({
      error: { code: 'NOT_FOUND' },
    });
    expect(await write(join(folder.path, 'x'))).toMatchObject({ state: 'succeeded' });
    const bytes = await readFile(join(folder.path, 'x'));
    expect(bytes.equals(await rig.read('debian', 3))).toBe(true);
    expect((await readdir(folder.path)).sort()).toEqual(['link', 'x']);
  });
});

describe('a bundle', () => {
  test('goes into a file, but never into the data folder', async () => {
    const write = (path: string) => ended(exportBundle(rig.control, 'debian', { path }));
    expect(await write(join(rig.inner.layersFolder, 'x'))).toMatchObject({
      error: { code: 'INVALID_INPUT', field: 'path' },
    });
    const task = await write(join(folder.path, 'x'));
    const bytes = await readFile(join(folder.path, 'x'));
    expect(task).toMatchObject({ state: 'succeeded', result: { length: bytes.length } });
    expect(bytes.toString('latin1', 0, 8)).toBe('RCBUNDL\n');
  });

  test('leaves out chunks that the receiver has in other versions', async () => {
    const [first, second] = rig.contentIds('debian');
    const all = await taken(rig.bundle('debian', [3]));
    const less = await taken(rig.bundle('debian', [3], [String(first)]));
    const least = await taken(rig.bundle('debian', [3], [String(first), String(second)]));
    expect(less.length).toBeLessThan(all.length);
    expect(least.length).toBeLessThan(less.length);
  });
});

describe('chunks', () => {
  const hashOf = (chunk: Buffer): Buffer => createHash('sha256').update(chunk).digest();
  const request = (...hashes: readonly Buffer[]): Buffer => {
    const count = Buffer.alloc(4);
    count.writeUInt32BE(hashes.length);
    return Buffer.concat([count, ...hashes]);
  };
  const chunk = (colour: number): Buffer => disk([colour]);

  async function sent(asked: Buffer, versions?: readonly number[]): Promise<number> {
    const stream = await openChunks(rig.control, 'debian', versions, asked, never);
    const bytes = await taken(stream.pieces);
    await stream.close();
    expect(bytes.toString('latin1', 0, 8)).toBe('RCCHUNK\n');
    let chunks = 0;
    for (let at = 12; at < bytes.length; at += 9 + bytes.readUInt32BE(at + 1)) {
      if (bytes.readUInt8(at) === 4) chunks += 1;
    }
    return chunks;
  }

  test('are those that the versions have; others are left out', async () => {
    const asked = request(...[1, 2, 5, 6, 9].map((colour) => hashOf(chunk(colour))));
    expect(await sent(asked)).toBe(4);
    expect(await sent(asked, [1])).toBe(2);
    expect(await sent(asked, [2, 3])).toBe(3);
    expect(await sent(asked, [1])).toBe(2);
    await rig.closeTransfers();
  });

  test('are refused for a request that is none', async () => {
    for (const bytes of [Buffer.alloc(0), Buffer.alloc(4), request(Buffer.alloc(31))]) {
      const open = openChunks(rig.control, 'debian', undefined, bytes, never);
      await expect(open).rejects.toMatchObject({ code: 'INVALID_INPUT' });
    }
    expect(rig.control.dataPlane.layersInUse().open.size).toBe(0);
  });

  test('of a version that is damaged are left out', async () => {
    const layer = rig.catalog.layers.byId(rig.layersOf('debian')[1] ?? '');
    const path = join(rig.inner.folder, 'repository', `${layer?.volumeId}.volume`);
    await writeFile(path, Buffer.alloc(CONTENT.length, 9));
    expect(await sent(request(hashOf(chunk(5)), hashOf(chunk(1))))).toBe(1);
    await rig.closeTransfers();
  });
});
