import { afterEach, describe, expect, test } from 'vitest';
import {
  type Changes,
  changesBetween,
  deleteVolume,
  discardData,
  disksWithoutData,
  forgetChanges,
  isLeaving,
  listSnapshots,
  trackChanges,
  trackedDisk,
  untrackChanges,
  updateSnapshot,
} from '../../../../src/control/index.ts';
import { CALL } from '../../../support/volume-rig.ts';
import { BLOCKS, TrackedRig } from './tracked-rig.ts';

const rigs: TrackedRig[] = [];

async function rig(isNative = false): Promise<TrackedRig> {
  const opened = await TrackedRig.open(isNative);
  rigs.push(opened);
  return opened;
}

afterEach(async () => {
  for (const one of rigs.splice(0)) await one.close();
});

function blocksOf(changes: Changes): readonly number[] | string {
  if (changes.kind !== 'changed') return changes.kind;
  return Array.from({ length: BLOCKS }, (_, block) => block).filter((block) =>
    changes.blocks.has(block),
  );
}

async function changed(it: TrackedRig, fromId: string, toId: string) {
  return blocksOf(await changesBetween(it.control, { fromId, toId }, CALL));
}

const state = (it: TrackedRig, id: string): string | undefined =>
  trackedDisk(it.control, id)?.state;
const hasSnapshot = (it: TrackedRig, id: string): boolean =>
  it.control.catalog.snapshots.byId(id) !== undefined;

describe.each([false, true])('snapshots without their data (native: %s)', (isNative) => {
  test('go when the next one is there, whoever took it, and are known as before', async () => {
    const it = await rig(isNative);
    await it.write(0);
    const first = await it.snapshot('first');
    await it.write(1);
    const second = await it.snapshot('second');
    await discardData(it.control, second, CALL);
    // The newest one: nobody could say later what has changed since.
    expect([state(it, second), hasSnapshot(it, second)]).toEqual(['anchor', true]);
    expect(it.control.catalog.snapshots.byId(second)).toMatchObject({
      name: `changes-${second}`,
      held: false,
      scheduleId: undefined,
    });
    await it.write(2);
    expect(await changed(it, second, it.volumeId)).toEqual([2]);
    const third = await it.snapshot('second');
    await it.tick();
    expect([state(it, second), hasSnapshot(it, second)]).toEqual(['log', false]);
    await it.write(3);
    expect(await changed(it, first, second)).toEqual([1]);
    expect(await changed(it, second, third)).toEqual([2]);
    expect(await changed(it, second, it.volumeId)).toEqual([2, 3]);
    expect(await changed(it, first, it.volumeId)).toEqual([1, 2, 3]);
    expect(disksWithoutData(it.control, 'one').map(({ id }) => id)).toEqual([second]);
    await discardData(it.control, second, CALL);
    expect(it.failures).toEqual([]);
  });

  test('of an older one goes at once', async () => {
    const it = await rig(isNative);
    const [first, second] = [await it.snapshot('a'), await it.snapshot('b')];
    await discardData(it.control, first, CALL);
    expect([state(it, first), hasSnapshot(it, first)]).toEqual(['log', false]);
    expect(await changed(it, first, second)).toEqual([]);
  });

  test('are joined with their neighbours when one between them is deleted', async () => {
    const it = await rig(isNative);
    const ids: string[] = [];
    for (let at = 0; at < 5; at++) {
      ids.push(await it.snapshot(`s${at}`));
      await it.write(at);
    }
    const [s0 = '', s1 = '', s2 = '', s3 = '', s4 = ''] = ids;
    await discardData(it.control, s1, CALL);
    await discardData(it.control, s3, CALL);
    await it.delete(s2);
    expect([hasSnapshot(it, s2), trackedDisk(it.control, s2)]).toEqual([false, undefined]);
    expect(await changed(it, s1, s3)).toEqual([1, 2]);
    await forgetChanges(it.control, s3, CALL);
    expect(await changed(it, s1, s4)).toEqual([1, 2, 3]);
    await it.delete(s0);
    expect(await changed(it, s1, it.volumeId)).toEqual([1, 2, 3, 4]);
    await forgetChanges(it.control, s1, CALL);
    expect(it.control.catalog.changeLogs.into(s4)).toEqual([]);
  });

  test('the newest one that is deleted stays for the logs that lead to it', async () => {
    const it = await rig(isNative);
    const first = await it.snapshot('first');
    await it.write(1);
    const second = await it.snapshot('second');
    await discardData(it.control, first, CALL);
    await it.delete(second);
    expect(trackedDisk(it.control, second)).toBeUndefined();
    expect([isLeaving(it.control, second), hasSnapshot(it, second)]).toEqual([true, true]);
    await expect(it.delete(second)).rejects.toThrow(/IN_USE/);
    await it.write(2);
    expect(await changed(it, first, it.volumeId)).toEqual([1, 2]);
    // Its name is free.
    const third = await it.snapshot('second');
    await it.tick();
    expect([isLeaving(it.control, second), hasSnapshot(it, second)]).toEqual([false, false]);
    expect(await changed(it, first, third)).toEqual([1, 2]);
    const names = listSnapshots(it.control, 'one', {}).items.map(({ name }) => name);
    expect(names).toEqual(['second']);
  });

  test('keep no volume from being deleted', async () => {
    const it = await rig(isNative);
    const first = await it.snapshot('first');
    await discardData(it.control, first, CALL);
    await it.done(deleteVolume(it.control, 'one', 'v'));
    await it.tick();
    expect([state(it, first), hasSnapshot(it, first)]).toEqual(['log', false]);
    expect(trackedDisk(it.control, it.volumeId)).toBeUndefined();
    await forgetChanges(it.control, first, CALL);
    await it.volumes.idle();
    expect(it.array.names()).toEqual([]);
  });

  test('that are read are deleted when nobody reads them', async () => {
    const it = await rig(isNative);
    const first = await it.snapshot('first');
    await it.write(1);
    await it.snapshot('second');
    const reader = await it.volumes.disks.open(
      { ...it.control.catalog.snapshots.byId(first), snapshotId: first } as never,
      { write: false },
    );
    await discardData(it.control, first, CALL);
    expect([state(it, first), hasSnapshot(it, first)]).toEqual(['anchor', true]);
    await it.tick();
    expect(it.failures).toMatchObject([{ code: 'IN_USE' }]);
    await reader.close();
    await it.tick();
    expect([state(it, first), hasSnapshot(it, first)]).toEqual(['log', false]);
  });
});

describe('a snapshot that is taken to see what has changed up to now', () => {
  const taken = (it: TrackedRig): readonly string[] =>
    listSnapshots(it.control, 'one', {}).items.map(({ name }) => name);

  test('is gone afterwards, also when it was cancelled or failed', async () => {
    const it = await rig(true);
    const first = await it.snapshot('first');
    await it.write(5);
    expect(await changed(it, first, it.volumeId)).toEqual([5]);
    expect(taken(it)).toEqual(['first']);
    const ask = (call: typeof CALL) =>
      changesBetween(it.control, { fromId: first, toId: it.volumeId }, call);
    const cancelling = new AbortController();
    it.array.before = (call) => {
      if (call === 'findDifferences') cancelling.abort(new Error('cancelled'));
    };
    const progress = (): void => cancelling.signal.throwIfAborted();
    await expect(ask({ signal: cancelling.signal, progress })).rejects.toThrow('cancelled');
    expect(taken(it)).toEqual(['first']);
    it.array.before = (call) => {
      if (call === 'findDifferences') throw new Error('it does not answer');
    };
    await expect(ask(CALL)).rejects.toThrow();
    expect(taken(it)).toEqual(['first']);
    expect(it.array.names().filter((name) => name.startsWith('snapshot'))).toHaveLength(1);
  });

  test('goes later when it cannot be deleted at once', async () => {
    const it = await rig(true);
    const first = await it.snapshot('first');
    it.array.before = (call) => {
      if (call.startsWith('deleteSnapshot')) throw new Error('it does not answer');
    };
    expect(await changed(it, first, it.volumeId)).toEqual([]);
    expect(taken(it)).toHaveLength(2);
    it.array.before = () => {};
    await it.tick();
    expect(taken(it)).toEqual(['first']);
    expect(it.control.catalog.volumes.byId(it.volumeId)?.headSnapshotId).toBe(first);
  });
});

describe('what is tracked', () => {
  test('are snapshots that were taken while their volume was', async () => {
    const it = await rig();
    const first = await it.snapshot('first');
    untrackChanges(it.control, it.volumeId);
    untrackChanges(it.control, it.volumeId);
    const second = await it.snapshot('second');
    await it.write(1);
    expect(state(it, first)).toBe('tracked');
    expect(state(it, second)).toBeUndefined();
    const between = (fromId: string, toId: string) =>
      changesBetween(it.control, { fromId, toId }, CALL);
    await expect(between(first, second)).rejects.toMatchObject({ code: 'INVALID_INPUT' });
    await expect(between(first, it.volumeId)).rejects.toMatchObject({ code: 'INVALID_INPUT' });
    await expect(between(first, 'nothing')).rejects.toMatchObject({ code: 'NOT_FOUND' });
    await expect(discardData(it.control, second, CALL)).rejects.toMatchObject({
      code: 'INVALID_INPUT',
    });
    trackChanges(it.control, it.volumeId);
    trackChanges(it.control, it.volumeId);
    const third = await it.snapshot('third');
    expect(await changed(it, first, third)).toEqual([1]);
    expect(await changed(it, third, first)).toBe('unrelated');
    expect(await changed(it, first, first)).toBe('unrelated');
    await expect(discardData(it.control, it.volumeId, CALL)).rejects.toMatchObject({
      code: 'INVALID_INPUT',
    });
    await expect(forgetChanges(it.control, third, CALL)).rejects.toMatchObject({
      code: 'INVALID_INPUT',
    });
  });

  test('a snapshot that is held keeps its data', async () => {
    const it = await rig();
    const first = await it.snapshot('first');
    updateSnapshot(it.control, 'one', first, { held: true });
    await expect(discardData(it.control, first, CALL)).rejects.toMatchObject({ code: 'IN_USE' });
    expect(state(it, first)).toBe('tracked');
  });

  test('a deletion that fails is tried again, and nothing is forgotten meanwhile', async () => {
    const it = await rig(true);
    const first = await it.snapshot('first');
    await it.write(4);
    const second = await it.snapshot('second');
    it.array.before = (call) => {
      if (call.startsWith('deleteSnapshot')) throw new Error('the array does not answer');
    };
    await discardData(it.control, first, CALL);
    await it.tick();
    expect(state(it, first)).toBe('anchor');
    expect(it.failures).toHaveLength(1);
    expect(await changed(it, first, second)).toEqual([4]);
    it.array.before = () => {};
    await it.tick();
    expect([state(it, first), hasSnapshot(it, first)]).toEqual(['log', false]);
    expect(await changed(it, first, second)).toEqual([4]);
  });
});
