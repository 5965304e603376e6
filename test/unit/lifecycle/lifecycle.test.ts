/** What operators rely on, said one by one; the combinations are model.test.ts's. */
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { PLAIN } from '../../../src/block/index.ts';
import {
  addMachine,
  beginVersion,
  captureMachine,
  deleteVersion,
  demoteVersion,
  listVersions,
  machineChanges,
  mergeVersion,
  promoteVersion,
  requestBoot,
  revertVdisk,
  Scrub,
  sealVersion,
  showVersion,
  updateMachine,
  updateVdisk,
  type VersionView,
  verifyVdisk,
} from '../../../src/control/index.ts';
import { LifecycleRig, type RigConnection } from '../../support/lifecycle-rig.ts';
import { temporaryFolder } from '../../support/temporary-folder.ts';

const CHUNK = 64 * 1024;
const SIZE = 8 * CHUNK;
const HOUR_MS = 3_600_000;

describe('versions of a vDisk', () => {
  let folder: Awaited<ReturnType<typeof temporaryFolder>>;
  let rig: LifecycleRig;

  beforeEach(async () => {
    folder = await temporaryFolder('versions');
    rig = await LifecycleRig.open(folder.path);
    await rig.importDisk('v', Buffer.alloc(SIZE, 1));
  });

  afterEach(async () => {
    await rig.close();
    await folder.remove();
  });

  let macs = 0;
  const macOf = new Map<string, string>();

  function add(name: string, over: Partial<Parameters<typeof addMachine>[1]> = {}): void {
    const mac = `52:54:00:00:01:${(++macs).toString(16).padStart(2, '0')}`;
    macOf.set(name, mac);
    addMachine(rig.control, { name, mac, vdisk: 'v', ...over });
  }

  async function boot(name: string): Promise<RigConnection> {
    await requestBoot(rig.control, macOf.get(name) ?? '');
    return rig.connect(`machine/${name}`);
  }

  async function byteAt(connection: RigConnection, offset: number): Promise<number> {
    const byte = Buffer.alloc(1);
    await connection.device.read(byte, offset);
    return byte[0] ?? -1;
  }

  const put = (connection: RigConnection, value: number, offset = 0) =>
    connection.device.write(Buffer.alloc(4096, value), offset, PLAIN);

  /** A version whose first block holds its number. */
  async function make(): Promise<VersionView> {
    if (!macOf.has('editor') || rig.catalog.machines.byName('editor') === undefined) {
      add('editor', { class: 'maintenance' });
    }
    const { number } = beginVersion(rig.control, 'v', {});
    const connection = await boot('editor');
    await put(connection, number);
    await connection.close();
    return rig.done<VersionView>(sealVersion(rig.control, 'v', number));
  }

  const kinds = (): string[] => rig.events.map(({ kind }) => kind);
  const version = (number: number): VersionView => showVersion(rig.control, 'v', number);

  test('a version goes from maintenance to test to production; each class gets its own', async () => {
    add('prod');
    add('tester', { class: 'test' });
    await make();
    expect(version(2)).toMatchObject({ state: 'test', parent: 1, depth: 2, ownBytes: 4096 });
    const before = await boot('prod');
    const tester = await boot('tester');
    expect([await byteAt(before, 0), await byteAt(tester, 0)]).toEqual([1, 2]);
    promoteVersion(rig.control, 'v', 2);
    // What runs keeps its version until it boots, also when it connects again.
    expect(await byteAt(before, 0)).toBe(1);
    await before.close();
    const again = await rig.connect('machine/prod');
    expect(await byteAt(again, 0)).toBe(1);
    await again.close();
    expect(await byteAt(await boot('prod'), 0)).toBe(2);
    expect(kinds()).toEqual(
      expect.arrayContaining(['version.begun', 'version.sealed', 'version.promoted']),
    );
  });

  test('a release waits for its date, and one command takes it back', async () => {
    add('prod');
    await make();
    const releaseAt = new Date(rig.now + HOUR_MS).toISOString();
    promoteVersion(rig.control, 'v', 2, { releaseAt });
    expect(version(2)).toMatchObject({ state: 'production', released: false, releaseAt });
    expect(await byteAt(await boot('prod'), 0)).toBe(1);
    rig.now += HOUR_MS;
    // The date counts, not whether anybody looked at the clock.
    expect(await byteAt(await boot('prod'), 0)).toBe(2);
    await rig.observe();
    expect(kinds()).toContain('version.released');
    expect(version(2)).toMatchObject({ released: true, releaseAt: null });
    expect(revertVdisk(rig.control, 'v')).toMatchObject({ production: 1 });
    expect(version(2).state).toBe('test');
    expect(await byteAt(await boot('prod'), 0)).toBe(1);
  });

  test('a vDisk and a machine can be pinned, whatever is released', async () => {
    add('prod');
    add('odd');
    await make();
    promoteVersion(rig.control, 'v', 2);
    updateVdisk(rig.control, 'v', { pinnedVersion: 1 });
    expect(await byteAt(await boot('prod'), 0)).toBe(1);
    await updateMachine(rig.control, 'odd', { pinnedVersion: 2 });
    expect(await byteAt(await boot('odd'), 0)).toBe(2);
    updateVdisk(rig.control, 'v', { pinnedVersion: null });
    expect(await byteAt(await boot('prod'), 0)).toBe(2);
    expect(version(2).actions.delete).toEqual({ possible: false, reason: 'odd is pinned to it' });
  });

  test('one machine writes a version, and its successor waits no longer than the lease', async () => {
    add('first', { class: 'maintenance' });
    add('second', { class: 'maintenance' });
    beginVersion(rig.control, 'v', {});
    const first = await boot('first');
    await put(first, 7);
    await expect(boot('second')).rejects.toMatchObject({ code: 'IN_USE' });
    expect(version(2)).toMatchObject({ writer: 'first' });
    expect(version(2).actions.seal.reason).toMatch(/first is writing it/);
    // It keeps the lock as long as it is connected.
    rig.now += HOUR_MS;
    await rig.observe();
    await expect(boot('second')).rejects.toMatchObject({ code: 'IN_USE' });
    await first.close();
    await expect(boot('second')).rejects.toMatchObject({ code: 'IN_USE' });
    rig.now += 60_000;
    const second = await boot('second');
    expect(await byteAt(second, 0)).toBe(7);
    // The first one is shut out for good, until it boots again.
    await expect(rig.connect('machine/first')).rejects.toMatchObject({ code: 'PERMISSION_DENIED' });
    await expect(boot('first')).rejects.toMatchObject({ code: 'IN_USE' });
  });

  test('a writer that boots again shuts out what is left of itself', async () => {
    add('first', { class: 'maintenance' });
    beginVersion(rig.control, 'v', {});
    const old = await boot('first');
    await put(old, 7);
    const fresh = await boot('first');
    await expect(async () => put(old, 8)).rejects.toThrow();
    expect(await byteAt(fresh, 0)).toBe(7);
    // And one that boots something else leaves the version to the next at once.
    await updateMachine(rig.control, 'first', { class: 'production' });
    await fresh.close();
    await boot('first');
    add('second', { class: 'maintenance' });
    expect(await byteAt(await boot('second'), 0)).toBe(7);
  });

  test('what was discarded was never there, and its number is not used again', async () => {
    add('editor', { class: 'maintenance' });
    beginVersion(rig.control, 'v', {});
    const connection = await boot('editor');
    await put(connection, 9);
    expect(version(2).actions.discard.possible).toBe(false);
    await connection.close();
    expect(await deleteVersion(rig.control, 'v', 2)).toEqual({ state: 'deleted' });
    await expect(rig.connect('machine/editor')).rejects.toMatchObject({
      code: 'PERMISSION_DENIED',
    });
    expect((await make()).number).toBe(3);
    const volumes = await rig.repository.volumes.listVolumes();
    expect(volumes.filter(({ id }) => id.startsWith('overlay.'))).toHaveLength(1);
  });

  test('private mode boots one machine, and ends in production', async () => {
    add('prod');
    add('other');
    const running = await boot('prod');
    expect(() => beginVersion(rig.control, 'v', { private: true })).toThrow(/for one alone/);
    await running.close();
    beginVersion(rig.control, 'v', { private: true });
    const writer = await boot('other');
    await put(writer, 5);
    await expect(boot('prod')).rejects.toMatchObject({ code: 'IN_USE' });
    await writer.close();
    await rig.done(sealVersion(rig.control, 'v', 2));
    expect(version(2)).toMatchObject({ state: 'production', released: true });
    expect(await byteAt(await boot('prod'), 0)).toBe(5);
  });

  test('a persistent cache stays on its version and says so, or gives itself up', async () => {
    add('keeper', { cacheMode: 'server-persistent' });
    add('mover', { cacheMode: 'server-persistent', onNewVersion: 'discard' });
    for (const name of ['keeper', 'mover']) {
      const connection = await boot(name);
      await put(connection, 77, CHUNK);
      await connection.close();
    }
    await make();
    promoteVersion(rig.control, 'v', 2);
    expect(version(1).actions.delete.reason).toMatch(/cache of keeper, mover stands on it/);
    const keeper = await boot('keeper');
    const mover = await boot('mover');
    expect([await byteAt(keeper, 0), await byteAt(keeper, CHUNK)]).toEqual([1, 77]);
    expect([await byteAt(mover, 0), await byteAt(mover, CHUNK)]).toEqual([2, 1]);
    await keeper.close();
    // A merge changes nothing of what a cache stands on.
    await make();
    promoteVersion(rig.control, 'v', 3);
    const plan = await requestBoot(rig.control, macOf.get('keeper') ?? '');
    expect(plan.version).toBe(1);
  });

  test('a merge goes on below machines that run, and the content is the same', async () => {
    add('prod');
    for (let count = 0; count < 3; count++) await make();
    promoteVersion(rig.control, 'v', 4);
    const running = await boot('prod');
    await put(running, 99, 2 * CHUNK);
    const before = version(4);
    const partial = await rig.done<VersionView>(
      mergeVersion(rig.control, 'v', 4, { mode: 'partial' }),
    );
    expect(partial).toMatchObject({ number: 4, depth: 2, contentId: before.contentId });
    const full = await rig.done<VersionView>(mergeVersion(rig.control, 'v', 4, { mode: 'full' }));
    expect(full).toMatchObject({ number: 4, depth: 1, contentId: before.contentId });
    expect([await byteAt(running, 0), await byteAt(running, 2 * CHUNK)]).toEqual([4, 99]);
    await running.close();
    const again = await rig.connect('machine/prod');
    expect([await byteAt(again, 0), await byteAt(again, 2 * CHUNK)]).toEqual([4, 99]);
    await again.close();
    // And everything below can go now.
    for (const number of [1, 2, 3]) await deleteVersion(rig.control, 'v', number);
    await rig.observe(rig.now + HOUR_MS);
    expect(rig.catalog.layers.all()).toHaveLength(1);
    await rig.crash();
    expect(await byteAt(await rig.connect('machine/prod'), 2 * CHUNK)).toBe(99);
  });

  test('a version is gone when its last reader has left, and not before', async () => {
    add('prod');
    const running = await boot('prod');
    await make();
    promoteVersion(rig.control, 'v', 2);
    expect(await deleteVersion(rig.control, 'v', 1)).toEqual({ state: 'deleting' });
    expect(version(1).actions.promote.reason).toMatch(/being deleted/);
    await rig.observe();
    expect(await byteAt(running, 0)).toBe(1);
    await boot('prod');
    await running.close();
    await rig.observe(rig.now + HOUR_MS);
    expect(listVersions(rig.control, 'v').map(({ number }) => number)).toEqual([2]);
    // Its layer stays: version 2 stands on it.
    expect(rig.catalog.layers.all()).toHaveLength(2);
  });

  test('what a machine wrote can be looked at, and taken for all', async () => {
    add('prod');
    const connection = await boot('prod');
    await put(connection, 5, 3 * CHUNK);
    await put(connection, 5, 5 * CHUNK);
    await expect(machineChanges(rig.control, 'prod')).rejects.toMatchObject({ code: 'IN_USE' });
    expect(() => captureMachine(rig.control, 'prod')).toThrow(/it is on/);
    await connection.close();
    expect(await machineChanges(rig.control, 'prod')).toMatchObject({
      ...{ machine: 'prod', vdisk: 'v', version: 1, ownedBytes: 8192, zeroedBytes: 0 },
      ...{ changedChunks: 2, chunks: 8, percent: 25 },
    });
    const input = { description: 'with the tools' };
    const captured = await rig.done<VersionView>(captureMachine(rig.control, 'prod', input));
    expect(captured).toMatchObject({ number: 2, state: 'test', parent: 1, ...input });
    await expect(machineChanges(rig.control, 'prod')).rejects.toMatchObject({ code: 'NOT_FOUND' });
    expect(await byteAt(await rig.connect('vdisk/v/2'), 5 * CHUNK)).toBe(5);
    expect(await byteAt(await boot('prod'), 5 * CHUNK)).toBe(1);
  });

  test('the same content has the same name, however it came about', async () => {
    add('one');
    add('two');
    for (const [name, order] of [
      ['one', [2, 5]],
      ['two', [5, 2]],
    ] as const) {
      const connection = await boot(name);
      for (const chunk of order) await put(connection, 60 + chunk, chunk * CHUNK);
      await connection.close();
      await rig.done(captureMachine(rig.control, name));
    }
    const content = Buffer.alloc(SIZE, 1);
    for (const chunk of [2, 5]) content.fill(60 + chunk, chunk * CHUNK, chunk * CHUNK + 4096);
    await rig.importDisk('w', content);
    const ids = [version(2), version(3), showVersion(rig.control, 'w', 1)];
    expect(new Set(ids.map(({ contentId }) => contentId)).size).toBe(1);
  });

  async function flip(layerId: string, offset: number): Promise<void> {
    const volume = rig.catalog.layers.byId(layerId)?.volumeId;
    const path = join(rig.folder, 'repository', `${volume}.volume`);
    const bytes = await readFile(path);
    bytes.writeUInt8(bytes.readUInt8(offset) ^ 4, offset);
    await writeFile(path, bytes);
  }

  test('a flipped bit is found, by chunk and by layer, by hand and by the scrub', async () => {
    await make();
    const { layerId } = version(2);
    await flip(layerId ?? '', 100);
    const found = await rig.done<{ damagedChunks: number; damaged: { chunk: number }[] }>(
      verifyVdisk(rig.control, 'v'),
    );
    expect(found).toMatchObject({ layers: 2, damagedChunks: 1, damaged: [{ chunk: 0, layerId }] });
    expect(version(2)).toMatchObject({ damagedChunks: 1 });
    expect(version(1)).toMatchObject({ damagedChunks: 0 });
    const told = rig.events.filter(({ kind }) => kind === 'version.damaged');
    expect(told).toMatchObject([
      { subject: 'vdisk/v/2', message: expect.stringMatching(/chunk 0/) },
    ]);
    await expect(rig.done(mergeVersion(rig.control, 'v', 2, { mode: 'full' }))).rejects.toThrow(
      /IMAGE_INVALID/,
    );
    expect(rig.events.at(-1)).toMatchObject({ kind: 'task.failed', subject: 'vdisk/v/2' });
    await flip(layerId ?? '', 100);
    rig.now += 8 * 24 * HOUR_MS;
    for (let layer = 0; layer < 2; layer++) {
      const scrub = new Scrub(rig.control, { days: 7, bytesPerSecond: 2 ** 30 });
      scrub.observe(rig.now, (error) => {
        throw error;
      });
      await scrub.settled();
    }
    expect([version(1), version(2)].map(({ damagedChunks }) => damagedChunks)).toEqual([0, 0]);
    expect(version(2).verifiedAt).toBe(new Date(rig.now).toISOString());
  });

  test('chains that grow too long are merged by themselves', async () => {
    await rig.close();
    await folder.remove();
    folder = await temporaryFolder('versions');
    rig = await LifecycleRig.open(folder.path, { consolidateBeyond: 3 });
    await rig.importDisk('v', Buffer.alloc(SIZE, 1));
    for (let count = 0; count < 3; count++) await make();
    const merges = (): { id: string; kind: string }[] =>
      rig.catalog.tasks.all().filter(({ kind }) => kind === 'version.merge');
    expect(merges()).toHaveLength(1);
    await rig.control.tasks.settled(merges()[0]?.id ?? '');
    expect(version(4)).toMatchObject({ depth: 2 });
    expect(version(3)).toMatchObject({ depth: 3 });
  });

  test('demoting is for production, and says what to do with a sealed version instead', async () => {
    await make();
    expect(() => demoteVersion(rig.control, 'v', 2)).toThrow(/never changes.*derive/);
    promoteVersion(rig.control, 'v', 2);
    expect(demoteVersion(rig.control, 'v', 2)).toMatchObject({ state: 'test' });
    expect(version(1).actions).toMatchObject({
      revertTo: { possible: false, reason: 'it is what production machines boot already' },
      derive: { possible: true, reason: null },
      merge: { possible: false, reason: 'it is one layer already' },
      delete: { possible: false, reason: 'it is what production machines boot' },
    });
  });
});
