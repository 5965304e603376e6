import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync } from 'node:fs';
import { readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, describe, expect, test } from 'vitest';
import { LocalVolumeControl, LocalVolumeData } from '../../../../src/adapters/local/index.ts';
import { PLAIN } from '../../../../src/block/index.ts';
import { eventLoopTurns } from '../../../support/content.ts';
import { temporaryFolder } from '../../../support/temporary-folder.ts';

const folders: { remove(): Promise<void> }[] = [];
afterEach(async () => {
  for (const folder of folders.splice(0)) await folder.remove();
});

async function repository() {
  const folder = await temporaryFolder('volumes');
  folders.push(folder);
  const path = join(folder.path, 'a', 'b');
  return { path, control: await LocalVolumeControl.attach(path) };
}

const quiet = { warn: () => {} };

describe('local volumes', () => {
  test('are made thin, listed, opened, and deleted', async () => {
    const { control, path } = await repository();
    const volume = await control.createVolume({ id: 'one', size: 10 * 1024 ** 3 });
    await control.createVolume({ id: 'two.data', size: 1 });
    await writeFile(join(path, 'notes.txt'), 'none of ours');
    await writeFile(join(path, '.hidden.volume'), 'none of ours');
    expect(volume).toMatchObject({ id: 'one', size: 10 * 1024 ** 3, allocated: 0 });
    expect((await control.listVolumes()).map((each) => each.id)).toEqual(['one', 'two.data']);

    // The locator crosses to another thread.
    const locator = structuredClone(volume.locator);
    const data = new LocalVolumeData({ log: quiet });
    const writer = await data.open(locator, { write: true });
    const reader = await data.open(locator, { write: false });
    await writer.write(Buffer.from('hello'), 5 * 1024 ** 3, PLAIN);
    const target = Buffer.alloc(5);
    await reader.read(target, 5 * 1024 ** 3);
    expect(target.toString()).toBe('hello');
    expect(reader.capabilities.write).toBe(false);
    expect((await control.showVolume('one')).allocated).toBeGreaterThan(0);

    await control.deleteVolume('one');
    await reader.read(target, 5 * 1024 ** 3); // whoever has it open keeps it
    await expect(data.open(locator, { write: false })).rejects.toMatchObject({
      name: 'BlockError',
      operation: 'open',
    });
    await Promise.all([writer.close(), reader.close()]);
    expect((await readdir(path)).sort()).toEqual([
      '.hidden.volume',
      'notes.txt',
      'two.data.volume',
    ]);
  });

  test('have space', async () => {
    const { control } = await repository();
    const { total, free } = await control.space();
    expect(free).toBeGreaterThan(0);
    expect(free).toBeLessThanOrEqual(total);
  });

  test('refuse names and sizes that cannot be, and say what is wrong', async () => {
    const { control } = await repository();
    for (const id of ['', '.', '..', '../x', 'a/b', '.hidden', '-x', 'ä', 'a'.repeat(201)]) {
      const made = control.createVolume({ id, size: 1 });
      await expect(made, id).rejects.toMatchObject({ code: 'INVALID_INPUT' });
      await expect(control.deleteVolume(id), id).rejects.toMatchObject({ code: 'INVALID_INPUT' });
    }
    for (const size of [0, -1, 1.5, Number.NaN, 2 ** 53]) {
      const made = control.createVolume({ id: 'x', size });
      await expect(made, String(size)).rejects.toMatchObject({ code: 'INVALID_INPUT' });
    }
    await control.createVolume({ id: 'x', size: 1 });
    const twice = control.createVolume({ id: 'x', size: 1 });
    await expect(twice).rejects.toMatchObject({ code: 'ALREADY_EXISTS' });
    await expect(control.deleteVolume('y')).rejects.toMatchObject({ code: 'NOT_FOUND' });
    await expect(control.showVolume('y')).rejects.toMatchObject({ code: 'NOT_FOUND' });
  });

  test('a volume that cannot be made leaves nothing behind', async () => {
    const { control, path } = await repository();
    // Larger than any file system takes in one file.
    const made = control.createVolume({ id: 'huge', size: 2 ** 52 });
    await made.then(
      () => control.deleteVolume('huge'), // this file system does take it
      (error: unknown) => expect(error).toMatchObject({ name: 'Fault' }),
    );
    expect(await readdir(path)).toEqual([]);
  });

  test('warns once when holes cannot be punched, and refuses foreign locators', async () => {
    const { control } = await repository();
    const { locator } = await control.createVolume({ id: 'v', size: 4096 });
    const warnings: object[] = [];
    const log = { warn: (details: object) => void warnings.push(details) };
    const data = new LocalVolumeData({ log, path: '/nowhere' });
    const device = await data.open(locator, { write: true });
    expect(device.capabilities).toMatchObject({ trim: false, fastZero: false, zero: true });
    await device.write(Buffer.alloc(4096, 1), 0, PLAIN);
    await device.trim(0, 4096, PLAIN);
    expect(warnings.length).toBe(1);
    await device.close();
    const foreign = { ...locator, adapter: 'nfs' };
    await expect(data.open(foreign, { write: false })).rejects.toMatchObject({ errno: 'EINVAL' });
  });

  describe('another process that writes to them', () => {
    /** A process with a volume as its descriptor 3, until it is told to leave. */
    async function writer(path: string, flags: string) {
      const file = openSync(join(path, 'one.volume'), flags);
      const child = spawn('cat', [], { stdio: ['pipe', 'ignore', 'ignore', file] });
      closeSync(file);
      await once(child, 'spawn');
      const gone = once(child, 'exit');
      return { pid: child.pid, leave: () => child.stdin?.end(), gone };
    }

    test('is waited for: what a killed service began may still change them', async () => {
      const { control, path } = await repository();
      await control.createVolume({ id: 'one', size: 4096 });
      const other = await writer(path, 'r+');
      let attached = false;
      const again = LocalVolumeControl.attach(path).then(() => {
        attached = true;
      });
      await eventLoopTurns(20);
      expect(attached).toBe(false);
      other.leave();
      await other.gone;
      await again;
    });

    test('is named when it does not leave; one that reads is none', async () => {
      const { control, path } = await repository();
      await control.createVolume({ id: 'one', size: 4096 });
      const reader = await writer(path, 'r');
      await LocalVolumeControl.attach(path, { waitMs: 0 });
      const other = await writer(path, 'r+');
      await expect(LocalVolumeControl.attach(path, { waitMs: 0 })).rejects.toMatchObject({
        code: 'IN_USE',
        message: expect.stringContaining(`process ${other.pid} (cat)`),
      });
      reader.leave();
      other.leave();
      await Promise.all([reader.gone, other.gone]);
    });
  });
});
