/** Volumes whose making nobody can tell the end of, and what a sweep takes for left over. */
import { afterEach, expect, test } from 'vitest';
import { ArrayError } from '../../../src/errors/index.ts';
import { MemoryArray } from '../../support/memory-array.ts';
import { VolumeRig } from '../../support/volume-rig.ts';

const SIZE = 1024 * 1024;
const rigs: VolumeRig[] = [];

async function rig() {
  const array = new MemoryArray();
  const opened = await VolumeRig.open({ arrays: { one: array } });
  rigs.push(opened);
  return { array, rig: opened };
}

afterEach(async () => {
  for (const one of rigs.splice(0)) await one.close();
});

test('a volume that the array makes after nobody knew whether it would is deleted by the next sweep', async () => {
  const { rig: it, array } = await rig();
  array.before = (call) => {
    if (call === 'createVolume') throw new ArrayError('UNKNOWN_OUTCOME', 'the answer was lost');
  };
  await expect(it.createVolume('one', 'v', SIZE)).rejects.toMatchObject({ code: 'UNREACHABLE' });
  array.before = () => {};
  const ports = it.storage.repositories.of('one');
  // What the array was told before comes to be now.
  const request = { opId: 'late', tag: 'v', name: 'v', size: SIZE, thin: true };
  await ports.array.createVolume(request);
  expect(await it.storage.arrays.sweep(ports)).toEqual([]);
  expect(array.names()).toEqual([]);
  expect(it.catalog.arrayLeftovers.ofRepository('one')).toEqual([]);
});

test('a sweep leaves alone what is being made', async () => {
  const { rig: it, array } = await rig();
  const ports = it.storage.repositories.of('one');
  const { arrays } = it.storage;
  await arrays.create(ports, { tag: 'v', name: 'v', size: SIZE, thin: true });
  expect(await arrays.sweep(ports)).toEqual([]);
  expect(array.names()).toEqual(['volume v']);
  await arrays.delete(ports, 'v');
  expect(array.names()).toEqual([]);
});
