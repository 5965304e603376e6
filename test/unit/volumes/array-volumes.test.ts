/** Volumes whose making nobody can tell the end of, and what a sweep takes for left over. */
import { afterEach, expect, test } from 'vitest';
import { ArrayError } from '../../../src/errors/index.ts';
import { catalogNodes } from '../../../src/service/storage/catalog-nodes.ts';
import { ArrayVolumes } from '../../../src/volumes/index.ts';
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

test('one whose adoption was cut off is as it was before', async () => {
  const { rig: it, array } = await rig();
  const ports = it.storage.repositories.of('one');
  await ports.array.createVolume({ opId: 'x', tag: 'x', name: 'found', size: SIZE, thin: true });
  for (const held of array.held.values()) held.tag = undefined;
  const { storage } = it.storage;
  const [foreign] = await storage.listForeign('one');
  const nativeId = foreign?.nativeId ?? '';
  const killed = new Promise<never>(() => {});
  const request = { repositoryId: 'one', nativeId, volumeId: 'v' };
  // Control never comes to record it, and nothing of the process that asked goes on.
  const adopt = ports.array.adoptVolume.bind(ports.array);
  const { promise: asked, resolve } = Promise.withResolvers<void>();
  ports.array.adoptVolume = async (of) => {
    await adopt(of);
    resolve();
    return killed;
  };
  void storage.adopt(request, () => {});
  await asked;
  ports.array.adoptVolume = adopt;
  expect(await storage.listForeign('one')).toEqual([]);
  expect(await new ArrayVolumes(catalogNodes(it.catalog), () => 'op').sweep(ports)).toEqual([]);
  expect(await storage.listForeign('one')).toHaveLength(1);
  await storage.adopt(request, (stored) => it.keepVolume('one', 'v', stored));
  expect(await new ArrayVolumes(catalogNodes(it.catalog), () => 'op').sweep(ports)).toEqual([]);
  expect(array.names()).toEqual(['volume v']);
  expect(it.catalog.arrayLeftovers.ofRepository('one')).toEqual([]);
});
