/** Two never write one version at once, whatever machines, their connections and operators do. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { PLAIN } from '../../../src/block/index.ts';
import {
  addMachine,
  beginVersion,
  deleteMachine,
  deleteVersion,
  requestBoot,
  resetMachine,
  sealVersion,
  updateMachine,
} from '../../../src/control/index.ts';
import { LifecycleRig, type RigConnection } from '../../support/lifecycle-rig.ts';
import { temporaryFolder } from '../../support/temporary-folder.ts';

const SIZE = 2 * 64 * 1024;
const BLOCK = 4096;
const MORE_THAN_A_LEASE = 3_600_000;

let folder: Awaited<ReturnType<typeof temporaryFolder>>;
let rig: LifecycleRig;

beforeEach(async () => {
  folder = await temporaryFolder('fencing');
  rig = await LifecycleRig.open(folder.path);
  await rig.importDisk('v', Buffer.alloc(SIZE, 1));
  for (const name of ['a', 'b']) add(name);
});

afterEach(async () => {
  rig.isStuck = false;
  await rig.close();
  await folder.remove();
});

const macOf = (name: string): string => `52:54:00:00:00:0${name}`;
const boot = (name: string) => requestBoot(rig.control, macOf(name));
const connect = (name: string): Promise<RigConnection> => rig.connect(`machine/${name}`);
const beginPrivate = () => beginVersion(rig.control, 'v', { private: true });

function add(name: string): void {
  addMachine(rig.control, { name, mac: macOf(name), vdisk: 'v', cacheMode: 'server' });
}

async function write({ device }: RigConnection, fill: number): Promise<void> {
  await device.write(Buffer.alloc(BLOCK, fill), 0, PLAIN);
}

async function read({ device }: RigConnection): Promise<number> {
  const bytes = Buffer.alloc(BLOCK);
  await device.read(bytes, 0);
  return bytes[0] ?? 0;
}

function setClass(name: string, to: 'production' | 'maintenance'): void {
  const row = rig.catalog.machines.byName(name);
  if (row === undefined) throw new Error(`no machine ${name}`);
  rig.catalog.machines.update({ ...row, own: { ...row.own, class: to } });
}

describe('whoever takes over a version', () => {
  it('is let in when the last connection of the writer before has ended, also at the second try', async () => {
    beginPrivate();
    await boot('a');
    const opening = await rig.begin('machine/a');
    rig.now += MORE_THAN_A_LEASE; // a connection that has not entered renews nothing
    rig.isStuck = true;
    await expect(boot('b')).rejects.toMatchObject({ code: 'UNAVAILABLE' });
    await expect(boot('b')).rejects.toMatchObject({ code: 'UNAVAILABLE' });
    await expect(connect('b')).rejects.toMatchObject({ code: 'UNAVAILABLE' });
    const a = await opening.enter();
    await expect(boot('b')).rejects.toMatchObject({ code: 'UNAVAILABLE' });
    rig.isStuck = false;
    await boot('b');
    await expect(connect('a')).rejects.toMatchObject({ code: 'PERMISSION_DENIED' });
    await write(await connect('b'), 2);
    await expect(write(a, 3)).rejects.toMatchObject({ errno: 'ESHUTDOWN' });
  });

  it('waits for a connection that was let in just before and has not entered yet', async () => {
    beginPrivate();
    await boot('a');
    const opening = await rig.begin('machine/a');
    rig.now += MORE_THAN_A_LEASE;
    const booting = boot('b');
    const a = await opening.enter();
    await booting;
    await expect(write(a, 3)).rejects.toMatchObject({ errno: 'ESHUTDOWN' });
    await write(await connect('b'), 2);
  });

  it('shuts out a machine that booted something else and left its connection', async () => {
    beginVersion(rig.control, 'v', {});
    setClass('a', 'maintenance');
    setClass('b', 'maintenance');
    await boot('a');
    const a = await connect('a');
    setClass('a', 'production');
    await boot('a');
    await boot('b');
    await expect(write(a, 3)).rejects.toMatchObject({ errno: 'ESHUTDOWN' });
    await write(await connect('b'), 4);
  });

  it('need not wait when the writer was deleted, and shuts it out all the same', async () => {
    beginPrivate();
    await boot('a');
    const opening = await rig.begin('machine/a');
    await deleteMachine(rig.control, 'a');
    const a = await opening.enter();
    await boot('b');
    await expect(write(a, 3)).rejects.toMatchObject({ errno: 'ESHUTDOWN' });
    await write(await connect('b'), 4);
  });

  it('leaves the version to others when it is deleted while it waits', async () => {
    beginPrivate();
    await boot('a');
    const opening = await rig.begin('machine/a');
    rig.now += MORE_THAN_A_LEASE;
    const booting = boot('b');
    await deleteMachine(rig.control, 'b');
    await (await opening.enter()).close();
    await expect(booting).rejects.toMatchObject({ code: 'UNAVAILABLE' });
    add('c');
    await boot('c');
  });
});

describe('two boots at once', () => {
  it('of two machines let one in', async () => {
    beginPrivate();
    const results = await Promise.allSettled([boot('a'), boot('b')]);
    expect(results).toMatchObject([
      { status: 'fulfilled' },
      { status: 'rejected', reason: { code: 'IN_USE' } },
    ]);
  });

  it('of the same machine leave one life of it', async () => {
    beginPrivate();
    await boot('a');
    const first = await connect('a');
    const results = await Promise.allSettled([boot('a'), boot('a')]);
    expect(results).toMatchObject([
      { status: 'rejected', reason: { code: 'IN_USE' } },
      { status: 'fulfilled' },
    ]);
    await expect(write(first, 2)).rejects.toMatchObject({ errno: 'ESHUTDOWN' });
    await write(await connect('a'), 3);
  });
});

describe('a version that is being sealed', () => {
  it('lets no machine boot, rather than refuse its disk afterwards', async () => {
    beginPrivate();
    await boot('a');
    await (await connect('a')).close();
    const task = sealVersion(rig.control, 'v', 2);
    await expect(boot('a')).rejects.toMatchObject({ code: 'IN_USE' });
    await rig.done(task);
    expect(await boot('a')).toMatchObject({ version: 2, maintenance: false });
  });
});

describe('a machine that wrote a version', () => {
  it('that is sealed must boot, or be reset where it never boots here', async () => {
    beginPrivate();
    const a = await connect('a');
    await write(a, 2);
    await a.close();
    await rig.done(sealVersion(rig.control, 'v', 2));
    await expect(connect('a')).rejects.toMatchObject({ code: 'PERMISSION_DENIED' });
    await resetMachine(rig.control, 'a');
    const again = await connect('a');
    expect(await read(again)).toBe(2);
    await again.close();
    await resetMachine(rig.control, 'a');
    beginPrivate();
    await write(await connect('b'), 3);
  });

  it('does not keep it as its disk when it is given another vDisk', async () => {
    await rig.importDisk('w', Buffer.alloc(SIZE, 9));
    beginPrivate();
    await boot('a');
    const a = await connect('a');
    await write(a, 2);
    await a.close();
    const id = rig.catalog.machines.byName('a')?.id ?? '';
    const last = rig.catalog.boots.last(id)?.id ?? 0;
    rig.catalog.boots.end(last, 'disconnected', rig.now, undefined);
    await updateMachine(rig.control, 'a', { vdisk: 'w' });
    expect(await read(await connect('a'))).toBe(9);
    await boot('b'); // the version is the next one's, at once
    expect(await read(await connect('b'))).toBe(2);
  });

  it('is refused when that is discarded while it connects, and leaves no overlay', async () => {
    beginPrivate();
    await boot('a');
    const connecting = connect('a');
    await deleteVersion(rig.control, 'v', 2);
    await expect(connecting).rejects.toMatchObject({ code: 'PERMISSION_DENIED' });
    const volumes = await rig.repository.volumes.listVolumes();
    expect(volumes.filter(({ id }) => id.startsWith('overlay.'))).toEqual([]);
  });
});
