import { describe, expect, test } from 'vitest';
import { type BlockDevice, PLAIN } from '../../../src/block/index.ts';
import type { ArrayRef, ArraySnapshot, ArrayVolume } from '../../../src/repositories/index.ts';
import { SEED, seededRandom } from '../../support/seed.ts';
import {
  type ArrayBench,
  expectRefs,
  expectSame,
  failure,
  newTag,
  opId,
  outcome,
  present,
  readAll,
  scribble,
  writeAtRandom,
} from './bench.ts';
import { testDiffs } from './diffs.ts';
import { checkCounters, countUp } from './load.ts';

const MANY = 40;
const LOADED_SNAPSHOTS = 5;

export function testSnapshots(bench: ArrayBench): void {
  const change = (volume: ArrayVolume, content: Buffer, fill: number): Promise<void> =>
    bench.use(volume, (device: BlockDevice) => scribble(device, content, fill));

  describe('snapshots', () => {
    test('keep what the volume held, while it goes on', async () => {
      if (!bench.can('snapshot')) return;
      const { volume, content } = await bench.createFilled(1);
      const held = Buffer.from(content);
      const snapshot = await bench.snapshot(volume);
      expect(snapshot.ref.kind).toBe('snapshot');
      expect(snapshot).toMatchObject({ size: volume.size });
      expect(snapshot.volume.nativeId).toBe(volume.ref.nativeId);
      expect(Number.isFinite(snapshot.createdAt)).toBe(true);
      expect(await bench.snapshots.findSnapshot({ ref: snapshot.ref })).toMatchObject({
        ref: snapshot.ref,
        tag: snapshot.tag,
      });
      await change(volume, content, 2);
      await bench.expectContent(snapshot, held, 'the snapshot');
      await bench.expectContent(volume, content, 'the volume');
    });

    test('cannot be written', async () => {
      if (!bench.can('snapshot')) return;
      const { volume, content } = await bench.createFilled(1);
      const snapshot = await bench.snapshot(volume);
      const { device, detach } = await bench.open(snapshot, false);
      expect(device.capabilities.write).toBe(false);
      await detach();
      const opened = bench.attachment.data.open(snapshot.locator, { write: true });
      await expect(opened).rejects.toMatchObject({ name: 'BlockError', operation: 'open' });
      await bench.expectContent(snapshot, content, 'the snapshot');
    });

    test('with the same tag are the same, of the first moment', async () => {
      if (!bench.can('snapshot')) return;
      const { volume, content } = await bench.createFilled(1);
      const held = Buffer.from(content);
      const tag = newTag();
      const snapshot = await bench.snapshot(volume, { tag });
      await change(volume, content, 2);
      expect((await bench.snapshot(volume, { tag })).ref).toEqual(snapshot.ref);
      const made = await Promise.all([
        bench.snapshot(volume, { tag }),
        bench.snapshot(volume, { tag }),
      ]);
      for (const { ref } of made) expect(ref).toEqual(snapshot.ref);
      expect(await bench.listSnapshots(volume.ref)).toHaveLength(1);
      await bench.expectContent(snapshot, held, 'the first moment');
      const other = await bench.create();
      expect(await outcome(bench.snapshot(other, { tag }))).toBe('ALREADY_EXISTS_DIFFERENT');
      expect(await bench.listSnapshots(other.ref)).toEqual([]);
    });

    test('of what is not there are refused; bad names too', async () => {
      if (!bench.can('snapshot')) return;
      const volume = await bench.create();
      for (const name of ['', '../x', 'a@b', 'a/b']) {
        expect(await outcome(bench.snapshot(volume, { name })), name).toBe('INVALID_ARGUMENT');
      }
      expect(await bench.listSnapshots()).toEqual([]);
      await bench.delete(volume);
      expect(await outcome(bench.snapshot(volume))).toBe('NOT_FOUND');
    });

    test('may be deleted in any order, twice, and leave the others as they are', async () => {
      if (!bench.can('snapshot')) return;
      const { volume, content } = await bench.createFilled(1);
      const kept: { snapshot: ArraySnapshot; held: Buffer }[] = [];
      for (let fill = 2; fill < 7; fill += 1) {
        kept.push({ snapshot: await bench.snapshot(volume), held: Buffer.from(content) });
        await change(volume, content, fill);
      }
      for (const index of [2, 0, 2, 0, 0]) {
        const [gone] = kept.splice(index, 1);
        if (gone === undefined) continue;
        await bench.delete(gone.snapshot);
        await bench.delete(gone.snapshot);
        expect(await bench.snapshots.findSnapshot({ ref: gone.snapshot.ref })).toBeUndefined();
        for (const { snapshot, held } of kept) await bench.expectContent(snapshot, held, 'another');
        await bench.expectContent(volume, content, 'the volume');
      }
    });

    test('stay when the original is deleted, or the array names them and deletes nothing', async () => {
      if (!bench.can('snapshot')) return;
      const { volume, content } = await bench.createFilled(1);
      const snapshot = await bench.snapshot(volume);
      const error = await failure(bench.delete(volume));
      if (error === undefined) {
        expect(await bench.control.findVolume({ ref: volume.ref })).toBeUndefined();
      } else {
        expect(error.code).toBe('HAS_DEPENDENTS');
        expectRefs(error, [snapshot.ref]);
        await bench.expectContent(volume, content, 'the original');
      }
      await bench.expectContent(snapshot, content, 'the snapshot of a deleted original');
      expect(await bench.listSnapshots()).toHaveLength(1);
    });

    test('of one volume may be many; all are listed, page by page', async () => {
      if (!bench.can('snapshot')) return;
      const { volume, content } = await bench.createFilled(1);
      const { snapshotsPerVolume = MANY } = bench.control.info.limits;
      const count = Math.min(bench.subject.manySnapshots ?? MANY, snapshotsPerVolume);
      const made: ArraySnapshot[] = [];
      const contents: Buffer[] = [];
      for (let n = 0; n < count; n += 1) {
        await change(volume, content, n + 10);
        made.push(await bench.snapshot(volume));
        contents.push(Buffer.from(content));
      }
      const listed = (await bench.listSnapshots(volume.ref)).map(({ ref }) => ref.nativeId);
      expect(listed.sort()).toEqual(made.map(({ ref }) => ref.nativeId).sort());
      for (const index of [0, Math.floor(count / 2), count - 1]) {
        const snapshot = present(made[index], 'a snapshot');
        await bench.expectContent(snapshot, contents[index] ?? Buffer.alloc(0), `number ${index}`);
      }
      const lost = bench.snapshots.listSnapshots({ cursor: 'nobody gave this' });
      expect(await outcome(lost)).toBe('CURSOR_EXPIRED');
    });

    test('taken and deleted under load hold the writes up to one moment', async () => {
      if (!bench.can('snapshot')) return;
      const volume = await bench.create();
      const { device, detach } = await bench.open(volume, true);
      const load = countUp([device]);
      const taken: { snapshot: ArraySnapshot; before: number; after: number }[] = [];
      for (let n = 0; n < LOADED_SNAPSHOTS; n += 1) {
        await load.progressed();
        const before = load.settled;
        const snapshot = await bench.snapshot(volume);
        taken.push({ snapshot, before, after: load.issued });
        if (n % 2 === 1) await bench.delete(present(taken.shift(), 'one to delete').snapshot);
      }
      await load.stop();
      for (const { snapshot, before, after } of taken) {
        const counted = checkCounters([await bench.content(snapshot)], device.geometry.minimumIo);
        expect(counted).toBeGreaterThanOrEqual(before);
        expect(counted).toBeLessThanOrEqual(after);
      }
      const final = checkCounters([await readAll(device)], device.geometry.minimumIo);
      expect(final).toBe(load.settled);
      await detach();
    });

    test('of several volumes are of one moment, or refused with none made', async () => {
      if (!bench.can('snapshot')) return;
      const volumes = [await bench.create(), await bench.create(), await bench.create()];
      const of = volumes.map(({ ref }) => ({ volume: ref, tag: newTag(), name: bench.name() }));
      const request = { opId: opId(), of };
      if (!bench.can('groupSnapshot')) {
        expect(await outcome(bench.snapshots.createSnapshots(request))).toBe('UNSUPPORTED');
        expect(await bench.listSnapshots()).toEqual([]);
        return;
      }
      const opened = [];
      for (const volume of volumes) opened.push(await bench.open(volume, true));
      const devices = opened.map(({ device }) => device);
      const load = countUp(devices);
      await load.progressed();
      const before = load.settled;
      const made = await bench.snapshots.createSnapshots(request);
      const after = load.issued;
      await load.progressed();
      await load.stop();
      expect(made.map(({ tag }) => tag)).toEqual(of.map(({ tag }) => tag));
      const again = await bench.snapshots.createSnapshots(request);
      expect(again.map(({ ref }) => ref)).toEqual(made.map(({ ref }) => ref));
      const contents = [];
      for (const snapshot of made) contents.push(await bench.content(snapshot));
      const counted = checkCounters(contents, devices[0]?.geometry.minimumIo ?? 512);
      expect(counted).toBeGreaterThanOrEqual(before);
      expect(counted).toBeLessThanOrEqual(after);
    });
  });

  describe('reverting', () => {
    const revert = (volume: ArrayVolume, snapshot: ArrayRef): Promise<ArrayVolume> => {
      const call = present(bench.snapshots.revert?.bind(bench.snapshots), 'revert');
      return call({ opId: opId(), volume: volume.ref, snapshot });
    };

    test('makes the volume what it was, its size too, as often as wanted', async () => {
      if (!bench.can('revert')) return;
      const { volume, content } = await bench.createFilled(1);
      const held = Buffer.from(content);
      const snapshot = await bench.snapshot(volume);
      for (let fill = 2; fill < 5; fill += 1) {
        await change(volume, content, fill);
        if (fill === 3 && bench.can('resizeOnline')) {
          const size = volume.size * 2;
          await bench.control.resizeVolume({ opId: opId(), ref: volume.ref, size });
        }
        const reverted = await revert(volume, snapshot.ref);
        expect(reverted).toMatchObject({ ref: volume.ref, tag: volume.tag, size: snapshot.size });
        await bench.expectContent(volume, held, 'the reverted volume');
        await bench.expectContent(snapshot, held, 'the snapshot it was reverted to');
        held.copy(content);
      }
      // It goes on from there, and the snapshot does not.
      await change(volume, content, 9);
      await bench.expectContent(volume, content, 'the volume later');
      await bench.expectContent(snapshot, held, 'the snapshot later');
    });

    test('is refused while somebody has the volume open', async () => {
      if (!bench.can('revert')) return;
      const { volume, content } = await bench.createFilled(1);
      const snapshot = await bench.snapshot(volume);
      const { device, detach } = await bench.open(volume, true);
      await scribble(device, content, 2);
      await device.flush();
      expect(await outcome(revert(volume, snapshot.ref))).toBe('IN_USE');
      expectSame(await readAll(device), content, 'what somebody had open');
      await detach();
    });

    test('keeps the newer snapshots, or names them and does nothing', async () => {
      if (!bench.can('revert')) return;
      const random = seededRandom();
      const { volume, content } = await bench.createFilled(1);
      const older = { snapshot: await bench.snapshot(volume), held: Buffer.from(content) };
      await bench.use(volume, (device) => writeAtRandom(device, content, random, 8));
      const newer = { snapshot: await bench.snapshot(volume), held: Buffer.from(content) };
      await change(volume, content, 3);
      const error = await failure(revert(volume, older.snapshot.ref));
      if (bench.can('revertKeepsNewer')) {
        expect(error).toBeUndefined();
        older.held.copy(content);
      } else {
        expect(error?.code).toBe('NEWER_SNAPSHOTS');
        expectRefs(error, [newer.snapshot.ref]);
      }
      await bench.expectContent(volume, content, `the volume, seed ${SEED}`);
      for (const { snapshot, held } of [older, newer]) {
        await bench.expectContent(snapshot, held, `the snapshots, seed ${SEED}`);
      }
      await revert(volume, newer.snapshot.ref);
      await bench.expectContent(volume, newer.held, `forward again, seed ${SEED}`);
    });

    test('to a snapshot of another volume, or one that is gone, is refused', async () => {
      if (!bench.can('revert')) return;
      const { volume, content } = await bench.createFilled(1);
      const other = await bench.createFilled(2);
      const strange = await bench.snapshot(other.volume);
      const code = await outcome(revert(volume, strange.ref));
      expect(['INVALID_ARGUMENT', 'NOT_FOUND']).toContain(code);
      await bench.delete(strange);
      expect(await outcome(revert(other.volume, strange.ref))).toBe('NOT_FOUND');
      await bench.expectContent(volume, content, 'the volume');
      await bench.use(volume, async (device) => device.write(content.subarray(0, 4096), 0, PLAIN));
    });
  });

  testDiffs(bench);
}
