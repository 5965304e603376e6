/** What the server serves to machines that write to themselves, through boots, falls back and restarts. */
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { PLAIN } from '../../../src/block/index.ts';
import {
  addMachine,
  beginVersion,
  deleteMachine,
  deleteVersion,
  promoteVersion,
  reportCache,
  requestBoot,
  sealVersion,
  updateMachine,
} from '../../../src/control/index.ts';
import { LifecycleRig, type RigConnection } from '../../support/lifecycle-rig.ts';
import { temporaryFolder } from '../../support/temporary-folder.ts';

const SIZE = 2 * 64 * 1024;
const BLOCK = 4096;
const MAC = '52:54:00:00:00:0a';
const WRITER = '52:54:00:00:00:0b';

let folder: Awaited<ReturnType<typeof temporaryFolder>>;
let rig: LifecycleRig;

beforeEach(async () => {
  folder = await temporaryFolder('device-caches');
  rig = await LifecycleRig.open(folder.path);
  await rig.importDisk('v', Buffer.alloc(SIZE, 1));
  addMachine(rig.control, { name: 'a', mac: MAC, vdisk: 'v', cacheMode: 'device-ram' });
});

afterEach(async () => {
  vi.restoreAllMocks();
  await rig.close();
  await folder.remove();
});

const boot = () => requestBoot(rig.control, MAC);
const connect = (): Promise<RigConnection> => rig.connect('machine/a');
const fallBack = () =>
  reportCache(rig.control, MAC, {
    ...{ mode: 'server', state: 'good', reason: 'no zram', sizeBytes: 0, usedBytes: 0 },
  });

async function read({ device }: RigConnection): Promise<number> {
  const bytes = Buffer.alloc(BLOCK);
  await device.read(bytes, 0);
  return bytes[0] ?? 0;
}

async function write({ device }: RigConnection, fill: number): Promise<void> {
  await device.write(Buffer.alloc(BLOCK, fill), 0, PLAIN);
}

/** A version that reads as `fill`, in production. */
async function release(fill: number): Promise<number> {
  const { number } = beginVersion(rig.control, 'v', {});
  addMachine(rig.control, { name: 'b', mac: WRITER, vdisk: 'v', class: 'maintenance' });
  await requestBoot(rig.control, WRITER);
  const connection = await rig.connect('machine/b');
  await write(connection, fill);
  await connection.close();
  await deleteMachine(rig.control, 'b');
  await rig.done(sealVersion(rig.control, 'v', number));
  await promoteVersion(rig.control, 'v', number, {});
  return number;
}

const overlayOf = (): unknown =>
  rig.control.dataPlane.overlay(rig.catalog.machines.byName('a')?.id ?? '');

it('is read only, without an overlay, and may be opened by several connections', async () => {
  await boot();
  const [one, two] = [await connect(), await connect()];
  expect(one.device.capabilities.write).toBe(false);
  await expect(Promise.resolve().then(() => write(one, 2))).rejects.toMatchObject({});
  expect([await read(one), await read(two)]).toEqual([1, 1]);
  expect(overlayOf()).toBeUndefined();
  await one.close();
  await two.close();
});

it('is what it booted until it boots again, whatever is released and whatever is restarted', async () => {
  await boot();
  const second = await release(2);
  let connection = await connect();
  expect(await read(connection)).toBe(1);
  await connection.close();
  await rig.crash();
  await rig.start();
  connection = await connect();
  expect(await read(connection)).toBe(1);
  await connection.close();
  // Its version goes when nobody reads it any more, and not before.
  expect(rig.control.dataPlane.layersInUse().stoodOn.size).toBe(1);
  deleteVersion(rig.control, 'v', 1);
  connection = await connect();
  expect(await read(connection)).toBe(1);
  await connection.close();
  expect((await boot()).version).toBe(second);
  connection = await connect();
  expect(await read(connection)).toBe(2);
  await connection.close();
});

it('is written here when the machine has fallen back, and clean again at its next boot', async () => {
  await boot();
  await release(2);
  expect(fallBack()).toEqual({ kind: 'kept' });
  let connection = await connect();
  // Of what it booted, not of what was released since.
  expect(await read(connection)).toBe(1);
  await write(connection, 7);
  await connection.close();
  expect(fallBack()).toEqual({ kind: 'kept' });
  await rig.crash();
  await rig.start();
  connection = await connect();
  expect(await read(connection)).toBe(7);
  await connection.close();
  await boot();
  expect(overlayOf()).toBeUndefined();
  connection = await connect();
  expect(connection.device.capabilities.write).toBe(false);
  await connection.close();
  fallBack();
  connection = await connect();
  expect(await read(connection)).toBe(2);
  await connection.close();
});

it('stays writable for a machine that runs with a cache here when its mode is changed', async () => {
  await updateMachine(rig.control, 'a', { cacheMode: 'server' });
  await boot();
  let connection = await connect();
  await write(connection, 5);
  await updateMachine(rig.control, 'a', { cacheMode: 'device-disk' });
  await connection.close();
  connection = await connect();
  expect(await read(connection)).toBe(5);
  await write(connection, 6);
  await connection.close();
});

/** It runs with a cache here and asks for its disk again, and meanwhile boots to write to itself. */
async function bootsMeanwhile(hold: (boots: () => Promise<void>) => Promise<void>): Promise<void> {
  await updateMachine(rig.control, 'a', { cacheMode: 'server' });
  await boot();
  await hold(async () => {
    await updateMachine(rig.control, 'a', { cacheMode: 'device-ram' });
    await boot();
  });
  expect(overlayOf()).toBeUndefined();
  const connection = await connect();
  expect(connection.device.capabilities.write).toBe(false);
  await connection.close();
  expect(overlayOf()).toBeUndefined();
}

it('is read only for a connection that waited for an older one to end, while the machine booted', async () => {
  await bootsMeanwhile(async (boots) => {
    const older = await rig.connect('machine/a');
    rig.isStuck = true;
    const asking = rig.connect('machine/a@run.1');
    await boots();
    rig.isStuck = false;
    await older.close();
    const connection = await asking;
    expect(connection.device.capabilities.write).toBe(false);
    await connection.close();
  });
});

it('is refused to a connection whose overlay was about to be made while the machine booted', async () => {
  await bootsMeanwhile(async (boots) => {
    const use = rig.overlays.use.bind(rig.overlays);
    vi.spyOn(rig.overlays, 'use').mockImplementationOnce(async (owner) => {
      await boots();
      return use(owner);
    });
    await expect(connect()).rejects.toMatchObject({ code: 'UNAVAILABLE' });
  });
});

it('is refused to a connection whose overlay was being opened while the machine booted', async () => {
  await bootsMeanwhile(async (boots) => {
    const plan = rig.layers.plan.bind(rig.layers);
    vi.spyOn(rig.layers, 'plan').mockImplementationOnce(async (layerId) => {
      await boots();
      return plan(layerId);
    });
    await expect(connect()).rejects.toMatchObject({ code: 'UNAVAILABLE' });
  });
});
