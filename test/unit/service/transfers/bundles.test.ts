/** Bundles between two services, while everything else goes on. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import {
  cancelTask,
  deleteVersion,
  importVdisk,
  listTasks,
  mergeVersion,
  pullBundle,
  receiveBundle,
  showTask,
  showVdisk,
  verifyVdisk,
} from '../../../../src/control/index.ts';
import { SPACE_RESERVE_BYTES } from '../../../../src/vdisk/index.ts';
import { SEED } from '../../../support/seed.ts';
import { CHUNK, disk, Rig, TOKEN } from './rigs.ts';

let from: Rig;
let to: Rig;
beforeEach(async () => {
  from = await Rig.open();
  to = await Rig.open();
  await from.inner.importDisk('debian', disk([1, 2, 3, 4]));
  await from.derive('debian', { 0: 5 });
  await from.derive('debian', { 3: 6 });
});
afterEach(async () => {
  expect(from.leftOver()).toEqual([]);
  expect(to.leftOver()).toEqual([]);
  await from.close();
  await to.close();
});

/** Stops a bundle in the middle until it is told to go on. */
function held(pieces: AsyncIterable<Buffer>, after: number) {
  const reached = Promise.withResolvers<void>();
  const goOn = Promise.withResolvers<void>();
  async function* stream() {
    let passed = 0;
    for await (const piece of pieces) {
      if (passed++ === after) {
        reached.resolve();
        await goOn.promise;
      }
      yield piece;
    }
  }
  return { stream: stream(), reached: reached.promise, goOn: goOn.resolve };
}

async function expectSame(there = 'debian'): Promise<void> {
  expect(to.contentIds(there)).toEqual(from.contentIds('debian'));
  for (const { number } of showVdisk(from.control, 'debian').versions) {
    const mine = await from.read('debian', number);
    expect((await to.read(there, number)).equals(mine)).toBe(true);
  }
  const found = await to.inner.done(verifyVdisk(to.control, there));
  expect(found).toMatchObject({ damagedChunks: 0 });
}

describe('a bundle', () => {
  test('carries versions, and what each changes', async () => {
    await to.receive(from.bundle('debian'));
    await expectSame();
    const { versions } = showVdisk(to.control, 'debian');
    expect(versions.map(({ depth, ownBytes }) => [depth, ownBytes / CHUNK])).toEqual([
      [1, 4],
      [2, 1],
      [3, 1],
    ]);
  });

  test('that names what was merged here meanwhile stands on what has taken its place', async () => {
    await to.receive(from.bundle('debian'));
    await from.derive('debian', { 1: 7 });
    const pieces = from.bundle('debian', undefined, to.contentIds('debian') as string[]);
    const { stream, reached, goOn } = held(pieces, 3);
    const receiving = to.receive(stream, { update: true });
    await reached;
    const [, , before] = to.layersOf('debian');
    await to.inner.done(mergeVersion(to.control, 'debian', 3, { mode: 'full' }));
    // It is in use: the bundle stands on it.
    expect(to.catalog.layers.byId(before ?? '')).toBeDefined();
    goOn();
    expect(await receiving).toMatchObject({ state: 'succeeded', result: { added: [4] } });
    expect(to.catalog.layers.byId(before ?? '')).toBeUndefined();
    const [, , merged, fourth] = to.layersOf('debian');
    expect(merged).not.toBe(before);
    expect(to.catalog.layers.byId(fourth ?? '')?.parentId).toBe(merged);
    await expectSame();
  });

  test('that names what is deleted here meanwhile still gets it', async () => {
    await to.receive(from.bundle('debian'));
    const has = to.contentIds('debian') as string[];
    const { stream, reached, goOn } = held(from.bundle('debian', [3], has), 1);
    const receiving = to.receive(stream, { name: 'copy' });
    await reached;
    expect(await deleteVersion(to.control, 'debian', 2)).toMatchObject({ state: 'deleted' });
    goOn();
    await receiving;
    expect(to.contentIds('copy')).toEqual([from.contentIds('debian')[2]]);
    expect((await to.read('copy', 3)).equals(await from.read('debian', 3))).toBe(true);
  });

  test('whose name is taken while it comes is refused, and nothing of it stays', async () => {
    const { stream, reached, goOn } = held(from.bundle('debian'), 9);
    const receiving = to.receive(stream);
    await reached;
    await to.inner.importDisk('debian', disk([9]));
    goOn();
    await expect(receiving).rejects.toMatchObject({ code: 'ALREADY_EXISTS' });
    expect(to.catalog.layers.all()).toHaveLength(1);
  });

  test('is refused where there is no room for it, and nothing of it stays', async () => {
    const { volumes } = to.inner.repository;
    volumes.space = async () => ({ total: 2 ** 40, free: SPACE_RESERVE_BYTES + 5 * CHUNK });
    const refused = to.receive(from.bundle('debian'));
    await expect(refused).rejects.toMatchObject({ code: 'NO_SPACE' });
    expect(to.catalog.layers.all()).toEqual([]);
    volumes.space = async () => ({ total: 2 ** 40, free: SPACE_RESERVE_BYTES + 6 * CHUNK });
    await to.receive(from.bundle('debian'));
  });

  test('reuses a layer that several versions may share', async () => {
    await to.receive(from.bundle('debian'));
    const { result } = await to.receive(from.bundle('debian'), { name: 'copy' });
    expect(result).toMatchObject({ added: [1, 2, 3] });
    expect(to.layersOf('copy')).toEqual(to.layersOf('debian'));
    await expectSame('copy');
    // And each of them keeps it.
    for (const number of [1, 2]) await deleteVersion(to.control, 'debian', number);
    await expectSame('copy');
  });

  test('does not reuse a layer that boots with another kernel', async () => {
    await to.receive(from.bundle('debian'));
    writeFileSync(join(from.inner.folder, 'other'), 'another kernel');
    const image = join(from.inner.folder, 'debian.raw');
    const kernel = join(from.inner.folder, 'other');
    const input = { name: 'other', path: image, format: 'raw', kernel } as const;
    await from.inner.done(importVdisk(from.control, input));
    expect(from.contentIds('other')[0]).toBe(from.contentIds('debian')[0]);
    const { result } = await to.receive(from.bundle('other'));
    // Its chunks are here all the same: only what differs is another layer.
    expect(result).toMatchObject({ added: [1] });
    expect(to.layersOf('other')[0]).not.toBe(to.layersOf('debian')[0]);
    expect(to.contentIds('other')[0]).toBe(to.contentIds('debian')[0]);
  });

  test('does not stand on a layer that is known to be damaged', async () => {
    await to.receive(from.bundle('debian'));
    const [first] = to.layersOf('debian');
    to.catalog.layers.checked(first ?? '', 1, 2);
    const { result } = await to.receive(from.bundle('debian'), { name: 'copy' });
    expect(result).toMatchObject({ chunksReceived: 6 });
    const fresh = to.layersOf('copy');
    expect(fresh.some((id) => to.layersOf('debian').includes(id))).toBe(false);
    for (const id of fresh) expect(to.catalog.layers.chain(id ?? '')[0]?.damagedChunks).toBe(0);
  });

  test('keeps what it is of until it is written, whatever happens to the versions', async () => {
    const { signal } = new AbortController();
    const sent: Buffer[] = [];
    for await (const piece of from.bundle('debian')) {
      sent.push(piece);
      if (sent.length !== 2) continue;
      await from.inner.done(mergeVersion(from.control, 'debian', 3, { mode: 'full' }));
      await deleteVersion(from.control, 'debian', 2);
    }
    async function* pieces() {
      yield* sent;
    }
    await receiveBundle(to.control, {}, pieces(), signal);
    expect(to.contentIds('debian')).toHaveLength(3);
    await from.inner.observe(from.inner.now + 60_000);
  });
});

describe('deep chains', () => {
  test('are merged as they come', async () => {
    const shallow = await Rig.open({ consolidateBeyond: 3 });
    for (let number = 4; number < 9; number += 1) {
      await from.derive('debian', { [number % 4]: 10 + number });
    }
    await shallow.receive(from.bundle('debian'));
    expect(shallow.contentIds('debian')).toEqual(from.contentIds('debian'));
    for (const { depth, number } of showVdisk(shallow.control, 'debian').versions) {
      expect(depth).toBeLessThanOrEqual(3);
      const mine = await from.read('debian', number);
      expect((await shallow.read('debian', number)).equals(mine)).toBe(true);
    }
    expect(shallow.leftOver()).toEqual([]);
    await shallow.close();
  });
});

describe('a pull', () => {
  async function pull(url: string, more: object = {}) {
    const input = { from: url, vdisk: 'debian', token: TOKEN, ...more };
    const { id } = pullBundle(to.control, input);
    await to.control.tasks.settled(id);
    return showTask(to.control, id);
  }

  test('follows a vDisk as it grows, whatever its layers are', async () => {
    const url = await from.listen();
    const change = fc.dictionary(fc.nat(3).map(String), fc.nat(9), { minKeys: 1 });
    const step = fc.oneof(
      fc.record({ kind: fc.constant('derive' as const), change, parent: fc.nat() }),
      fc.record({ kind: fc.constant('merge' as const), side: fc.boolean(), version: fc.nat() }),
      fc.record({ kind: fc.constant('pull' as const) }),
    );
    let runs = 0;
    const property = fc.asyncProperty(fc.array(step, { maxLength: 8 }), async (steps) => {
      runs += 1;
      const name = `run-${runs}`;
      await from.inner.importDisk(name, disk([1, 2, 0, 4]));
      for (const one of [...steps, { kind: 'pull' } as const]) {
        const { versions } = showVdisk(from.control, name);
        if (one.kind === 'derive') {
          await from.derive(name, one.change, versions[one.parent % versions.length]?.number);
        } else if (one.kind === 'pull') {
          const { state, error } = await pull(url, { vdisk: name, update: true });
          expect({ state, error }).toEqual({ state: 'succeeded', error: null });
        } else {
          const side = one.side ? from : to;
          const here = showVersions(side, name);
          const version = here[one.version % Math.max(1, here.length)];
          if (version === undefined || version.depth < 2) continue;
          await side.inner.done(mergeVersion(side.control, name, version.number, { mode: 'full' }));
        }
      }
      expect(to.contentIds(name)).toEqual(from.contentIds(name));
      for (const { number } of showVdisk(from.control, name).versions) {
        const mine = await from.read(name, number);
        expect((await to.read(name, number)).equals(mine)).toBe(true);
      }
      const found = await to.inner.done(verifyVdisk(to.control, name));
      expect(found).toMatchObject({ damagedChunks: 0 });
    });
    await fc.assert(property, { seed: SEED, numRuns: 6, endOnFailure: true });
  });

  test('gets a chunk also where its layer was merged since it was promised', async () => {
    const url = await from.listen();
    const { transfers } = from.control;
    const { chunkStream } = transfers;
    transfers.chunkStream = async (...asked) => {
      const stream = await chunkStream.apply(transfers, asked);
      // The index of chunks is there, and names layers that are about to go.
      const { versions } = showVdisk(from.control, 'debian');
      if (versions[2]?.depth === 3) {
        await from.inner.done(mergeVersion(from.control, 'debian', 3, { mode: 'full' }));
        await deleteVersion(from.control, 'debian', 2);
      }
      return stream;
    };
    expect(await pull(url, { versions: [1, 3] })).toMatchObject({ state: 'succeeded' });
    expect((await to.read('debian', 3)).equals(await from.read('debian', 3))).toBe(true);
  });

  test('is nothing when it is cancelled while it waits for chunks', async () => {
    const url = await from.listen();
    const { transfers } = from.control;
    const asked = Promise.withResolvers<void>();
    transfers.chunkStream = async () => ({
      length: undefined,
      pieces: (async function* () {
        asked.resolve();
        await new Promise(() => undefined); // for ever
        yield Buffer.alloc(0);
      })(),
      close: async () => undefined,
    });
    const pulling = pull(url);
    await asked.promise;
    const [task] = listTasks(to.control);
    cancelTask(to.control, task?.id ?? '');
    expect(await pulling).toMatchObject({ state: 'cancelled' });
    expect(to.catalog.layers.all()).toEqual([]);
  });

  test('is refused what the sender has lost', async () => {
    const url = await from.listen();
    const { transfers } = from.control;
    transfers.chunkStream = () => Promise.reject(new Error('a bug'));
    expect(await pull(url)).toMatchObject({
      state: 'failed',
      error: { code: 'INTERNAL', message: expect.stringContaining('refuses') },
    });
    expect(to.catalog.layers.all()).toEqual([]);
  });
});

function showVersions(rig: Rig, name: string) {
  return rig.catalog.vdisks.byName(name) === undefined ? [] : showVdisk(rig.control, name).versions;
}
