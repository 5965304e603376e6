/** A repository is let go of when no thread has anything of it any more: another server may attach it the moment after. And what a host has open is left alone. */
import { afterEach, describe, expect, test } from 'vitest';
import { PLAIN } from '../../../src/block/index.ts';
import type { ArrayControl } from '../../../src/repositories/index.ts';
import { MemoryArray } from '../../support/memory-array.ts';
import { NEVER, VolumeRig } from '../../support/volume-rig.ts';

const SIZE = 1024 * 1024;
const STUCK_MS = 20;
const FORCE = { force: true };
const GENTLY = { force: false };

/** An array that tells in which order it is let go of. */
class WatchedArray {
  readonly inner: MemoryArray;
  readonly order: string[] = [];
  /** What it says of its hosts. */
  mappings: object[] = [];
  /** Data ports that have been made; the first is the control thread's. */
  ports = 0;
  /** Awaited by every data port that closes. */
  closing: (port: number) => Promise<void> = async () => {};
  /** Awaited by every deletion of a volume, before it. */
  deleting: () => Promise<void> = async () => {};

  constructor({ isNative = true } = {}) {
    this.inner = new MemoryArray({ isNative });
  }

  get adapter() {
    const { adapter } = this.inner;
    const attach: typeof adapter.attach = async (...rest) => {
      const array = await adapter.attach(...rest);
      const close = async (): Promise<void> => {
        this.order.push('array');
        await array.close();
      };
      const deleteVolume: typeof array.deleteVolume = async (...given) => {
        await this.deleting();
        return array.deleteVolume(...given);
      };
      const masking = { listMappings: async () => this.mappings };
      return new Proxy(array, {
        get: (target, name) => {
          if (name === 'masking' && this.mappings.length > 0) return masking;
          if (name === 'deleteVolume') return deleteVolume;
          return name === 'close' ? close : Reflect.get(target, name);
        },
      }) satisfies ArrayControl;
    };
    const openData: typeof adapter.openData = (...rest) => {
      const data = adapter.openData(...rest);
      this.ports += 1;
      const port = this.ports;
      const close = async (): Promise<void> => {
        await this.closing(port);
        this.order.push(`port ${port}`);
      };
      return { open: (...how) => data.open(...how), close };
    };
    return { ...adapter, attach, openData };
  }
}

const rigs: VolumeRig[] = [];
afterEach(async () => {
  for (const one of rigs.splice(0)) await one.close();
});

async function rig(options: { readonly holdTimeMax?: number } = {}) {
  const array = new WatchedArray();
  const it = await VolumeRig.open({ arrays: { one: array }, ...options });
  rigs.push(it);
  await it.createVolume('one', 'a', SIZE);
  const { storage } = it.storage;
  const attach = () => {
    const of = { repositoryId: 'one', kind: array.adapter.kind, settings: {}, secrets: {} };
    return storage.attach({ ...of, create: false, takeOver: false }, NEVER);
  };
  return { array, it, storage, attach };
}

test('a volume that a host has open is not reverted below it', async () => {
  const { array, it } = await rig();
  await it.snapshot({ a: 's' });
  const mapping = { host: 'esx-1', mode: 'rw', lun: 1, sessions: ['iqn.2026-01.test:esx'] };
  array.mappings = [{ ...mapping, target: { portals: [], iqn: undefined, path: undefined } }];
  await expect(it.revert('a', 's')).rejects.toMatchObject({
    code: 'IN_USE',
    message: expect.stringContaining('esx-1'),
  });
  array.mappings = [{ ...array.mappings[0], sessions: [] }];
  await it.revert('a', 's');
});

describe('a repository that is detached', () => {
  test('is let go of after every worker', async () => {
    const { array, it, storage } = await rig();
    const wait = Promise.withResolvers<void>();
    array.closing = async (port) => {
      if (port === 3) await wait.promise;
    };
    const detached = storage.detach('one', GENTLY);
    await expect.poll(() => array.order).toEqual(['port 2']);
    // Nobody begins anything with it any more.
    expect(storage.isAttached('one')).toBe(false);
    await expect(it.connect('volume/one/a')).rejects.toMatchObject({ code: 'UNAVAILABLE' });
    wait.resolve();
    expect(await detached).toBe(true);
    expect(array.order).toEqual(['port 2', 'port 3', 'port 1', 'array']);
  });

  test('stays, and goes on, when a worker does not let go in time', async () => {
    const { array, it, storage } = await rig({ holdTimeMax: STUCK_MS });
    it.silent = 1;
    await expect(storage.detach('one', GENTLY)).rejects.toMatchObject({
      code: 'UNAVAILABLE',
      message: expect.stringContaining('may still write'),
    });
    expect(array.order).not.toContain('array');
    expect(storage.isAttached('one')).toBe(true);
    it.silent = undefined;
    for (const worker of [0, 1]) {
      const { device, close } = await it.connect('volume/one/a', worker);
      await device.write(Buffer.alloc(4096, worker), 0, PLAIN);
      await close();
    }
    expect(await storage.detach('one', GENTLY)).toBe(true);
  });

  test('by force goes without a worker that does not answer, and says so', async () => {
    const { array, it, storage, attach } = await rig({ holdTimeMax: STUCK_MS });
    it.silent = 1;
    expect(await storage.detach('one', FORCE)).toBe(false);
    expect(array.order.at(-1)).toBe('array');
    await attach();
    expect(storage.isAttached('one')).toBe(true);
  });

  test('is, when what was deleted of it is gone', async () => {
    const it = await VolumeRig.open({ arrays: { one: new MemoryArray() } });
    rigs.push(it);
    await it.createVolume('one', 'a', SIZE);
    await it.snapshot({ a: 's' });
    await it.deleteSnapshot('s');
    await it.deleteVolume('a');
    const { catalog } = it;
    expect(catalog.volumeNodes.hidden()).not.toEqual([]);
    expect(await it.storage.storage.detach('one', GENTLY)).toBe(true);
    expect(catalog.volumeNodes.hidden()).toEqual([]);
    expect(catalog.arrayLeftovers.ofRepository('one')).toEqual([]);
  });

  test('is, when the array has deleted the last of it, of which no record is left', async () => {
    const array = new WatchedArray({ isNative: false });
    const it = await VolumeRig.open({ arrays: { one: array } });
    rigs.push(it);
    const { catalog } = it;
    const wait = Promise.withResolvers<void>();
    array.deleting = async () => {
      if (catalog.volumeNodes.hidden().length === 0) await wait.promise;
    };
    await it.createVolume('one', 'a', SIZE);
    await it.snapshot({ a: 's' });
    await it.deleteSnapshot('s');
    await it.deleteVolume('a');
    await expect.poll(() => catalog.volumeNodes.hidden()).toEqual([]);
    expect(catalog.arrayLeftovers.ofRepository('one')).not.toEqual([]);
    const detached = it.storage.storage.detach('one', GENTLY);
    try {
      for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setImmediate(resolve));
      expect(it.storage.storage.isAttached('one')).toBe(true);
    } finally {
      wait.resolve();
    }
    expect(await detached).toBe(true);
    expect(catalog.arrayLeftovers.ofRepository('one')).toEqual([]);
  });

  test('is not, but by force, while something of it is being changed', async () => {
    const { array, it, storage } = await rig();
    let detached: Promise<boolean> | undefined;
    let refused: unknown;
    array.inner.before = (call) => {
      if (call !== 'resizeVolume' || detached !== undefined) return;
      detached = storage.detach('one', GENTLY);
      detached.catch((error: unknown) => {
        refused = error;
      });
    };
    await it.resize('a', 2 * SIZE);
    await detached?.catch(() => undefined);
    expect(refused).toMatchObject({
      code: 'IN_USE',
      details: { field: 'repository.tasks', value: 1 },
    });
    expect(storage.isAttached('one')).toBe(true);
    expect(await storage.detach('one', GENTLY)).toBe(true);
  });
});
