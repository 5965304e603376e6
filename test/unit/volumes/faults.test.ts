import { describe, expect, test } from 'vitest';
import {
  ARRAY_ERROR_CODES,
  ArrayError,
  BlockError,
  FAULT_CODES,
  Fault,
} from '../../../src/errors/index.ts';
import { faultOfArrayError, inFaults } from '../../../src/service/storage/storage-fault.ts';
import { MemoryArray } from '../../support/memory-array.ts';
import { CALL, VolumeRig } from '../../support/volume-rig.ts';

describe('what an array says, in the words of the control plane', () => {
  test.each(ARRAY_ERROR_CODES.map((code) => [code]))('%s', (code) => {
    const fault = faultOfArrayError(new ArrayError(code, 'it did not work'));
    expect(FAULT_CODES).toContain(fault.code);
    // A bug of an array is not one of ours.
    expect(fault.code).not.toBe('INTERNAL');
  });

  test('names what stands in the way, and what the array said', () => {
    const details = { refs: ['snap-1', 'snap-2'], nativeMessage: 'rbd: has children' };
    const fault = faultOfArrayError(new ArrayError('HAS_DEPENDENTS', 'it has clones', details));
    expect(fault.code).toBe('IN_USE');
    expect(fault.message).toBe('it has clones: snap-1, snap-2 (the array says: rbd: has children)');
  });

  test('a full disk is NO_SPACE, and a cancelled call says so', async () => {
    const full = async (): Promise<void> => {
      throw new BlockError('ENOSPC', 'write', 0, 512, 'full');
    };
    await expect(inFaults(full)).rejects.toMatchObject({ code: 'NO_SPACE' });
    const aborted = AbortSignal.abort();
    const cancelled = async (): Promise<void> => aborted.throwIfAborted();
    await expect(inFaults(cancelled, aborted)).rejects.toMatchObject({ code: 'CANCELLED' });
  });
});

describe('a repository', () => {
  test('offers by layers what its array cannot, and what it does by itself as it is', async () => {
    const arrays = {
      plain: new MemoryArray({ kind: 'plain' }),
      able: new MemoryArray({ kind: 'able', isNative: true }),
    };
    const rig = await VolumeRig.open({ arrays });
    const flagsOf = (id: string) => rig.storage.repositories.of(id).capabilities;
    expect(flagsOf('plain')).toMatchObject({
      snapshot: 'emulated',
      revert: 'emulated',
      thin: 'yes',
    });
    expect(flagsOf('able')).toMatchObject({
      snapshot: 'yes',
      changedBlocks: 'yes',
      replicate: 'emulated',
    });
    expect(Object.isFrozen(flagsOf('plain'))).toBe(true);
    await rig.close();
  });

  test('attached again while a volume is being made in it leaves that alone', async () => {
    const array = new MemoryArray();
    const rig = await VolumeRig.open({ arrays: { one: array } });
    const again = {
      ...{ repositoryId: 'one', kind: 'memory', settings: {}, secrets: {} },
      ...{ create: false, takeOver: false },
    };
    let attached: Promise<unknown> | undefined;
    array.after = (call) => {
      if (call !== 'createVolume') return;
      attached ??= rig.storage.storage.attach(again, new AbortController().signal);
    };
    await rig.createVolume('one', 'v', 65_536);
    await attached;
    expect(array.names()).toEqual(['volume v']);
    await rig.close();
  });

  test('of more than layers can have takes no emulated snapshot', async () => {
    const rig = await VolumeRig.open({ arrays: { one: new MemoryArray() } });
    await rig.createVolume('one', 'v', 2 ** 42 + 4096);
    await expect(rig.snapshot({ v: 's1' })).rejects.toMatchObject({ code: 'LIMIT_EXCEEDED' });
    await rig.close();
  });

  test('is not detached while something of it is open, unless it must be', async () => {
    const rig = await VolumeRig.open({ arrays: { one: new MemoryArray() } });
    await rig.createVolume('one', 'v', 65_536);
    const { storage } = rig.storage;
    const open = await rig.connect('volume/one/v');
    await expect(storage.detach('one', { force: false })).rejects.toMatchObject({ code: 'IN_USE' });
    await storage.detach('one', { force: true });
    expect(rig.ended).toEqual(['volume/one/v']);
    await open.close();
    await storage.attach(
      {
        repositoryId: 'one',
        kind: 'memory',
        settings: {},
        secrets: {},
        create: false,
        takeOver: false,
      },
      new AbortController().signal,
    );
    await rig.withExport('volume/one/v', async (device) => device.read(Buffer.alloc(512), 0));
    await storage.detach('one', { force: false });
    expect(storage.isAttached('one')).toBe(false);
    await expect(rig.connect('volume/one/v')).rejects.toMatchObject({ code: 'UNAVAILABLE' });
    await expect(rig.connect('volume/one/w')).rejects.toMatchObject({ code: 'EXPORT_NOT_FOUND' });
    await rig.close();
  });

  test('connections to a volume are ended before its role changes', async () => {
    const rig = await VolumeRig.open({ arrays: { one: new MemoryArray() } });
    await rig.createVolume('one', 'v', 65_536);
    const open = await rig.connect('volume/one/v');
    const ended = rig.storage.endConnections('v');
    expect(rig.ended).toEqual(['volume/one/v']);
    await open.close();
    await ended;
    await rig.close();
  });

  test('the head of a replica is no export; its snapshots are', async () => {
    const rig = await VolumeRig.open({ arrays: { one: new MemoryArray() } });
    await rig.createVolume('one', 'v', 65_536);
    await rig.snapshot({ v: 's1' });
    const record = rig.catalog.volumes.byId('v');
    if (record !== undefined) rig.catalog.volumes.update({ ...record, role: 'replica' });
    await expect(rig.connect('volume/one/v')).rejects.toMatchObject({ code: 'EXPORT_NOT_FOUND' });
    expect(rig.storage.exports.list()).toEqual([]);
    const open = await rig.connect('volume/one/v@s1');
    expect(open.readOnly).toBe(true);
    await open.close();
    await rig.close();
  });

  test('a full clone that is cancelled, or fails, leaves nothing behind', async () => {
    const array = new MemoryArray();
    const rig = await VolumeRig.open({ arrays: { one: array } });
    await rig.createVolume('one', 'v', 4 * 1024 * 1024);
    await rig.withExport('volume/one/v', async (device) => {
      await device.write(Buffer.alloc(3 * 1024 * 1024, 1), 0, { fua: false });
    });
    await rig.snapshot({ v: 's1' });
    const before = array.names();
    const cancelled = new AbortController();
    const call = { ...CALL, signal: cancelled.signal };
    const source = rig.snapshotName('s1');
    const request = {
      source,
      repositoryId: 'one',
      volumeId: 'c',
      name: 'c',
      kind: 'full' as const,
    };
    let steps = 0;
    array.step = () => {
      steps += 1;
      if (steps === 4) cancelled.abort();
    };
    const { storage } = rig.storage;
    await expect(storage.clone(request, () => {}, call)).rejects.toMatchObject({
      code: 'CANCELLED',
    });
    array.step = () => {};
    expect(array.names()).toEqual(before);
    const refuse = (): never => {
      throw new Fault('ALREADY_EXISTS', 'taken');
    };
    await expect(storage.clone(request, refuse, CALL)).rejects.toMatchObject({
      code: 'ALREADY_EXISTS',
    });
    expect(array.names()).toEqual(before);
    await rig.close();
  });
});
