/** How layers come and go, and which volumes go with them. */
import { cp, mkdir, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Fault } from '../../../../src/errors/index.ts';
import { removeLayer, removeLeftovers } from '../../../../src/vdisk/index.ts';
import { createLayerVolume, makeLayer } from '../../../../src/vdisk/layers/index.ts';
import { MemoryRepository } from '../../../support/memory-repository.ts';
import { temporaryFolder } from '../../../support/temporary-folder.ts';

let folder: Awaited<ReturnType<typeof temporaryFolder>>;
let layersFolder = '';
let memory: MemoryRepository;
beforeEach(async () => {
  folder = await temporaryFolder('layer-files');
  layersFolder = join(folder.path, 'layers');
  await mkdir(layersFolder);
  memory = new MemoryRepository();
});
afterEach(() => folder.remove());

const volumes = (): readonly string[] => [...memory.devices.keys()];
const make = (layerId: string, volume: 'own' | 'none', work?: () => Promise<void>) =>
  makeLayer({ layersFolder, layerId, volume, volumes: memory.control }, async (half) => {
    if (volume === 'own') await createLayerVolume(half, 4096, memory.control);
    await work?.();
  });

async function failure(promise: Promise<unknown>): Promise<string> {
  const error: unknown = await promise.then(
    () => 'it went well',
    (reason) => reason,
  );
  return error instanceof Fault ? error.code : String(error);
}

/** Makes a layer and keeps what is there while it is being made: what a crash would leave. */
async function crashWhileMaking(layerId: string, volume: 'own' | 'none'): Promise<void> {
  const kept = join(folder.path, 'kept');
  await make(layerId, volume, () => cp(layersFolder, kept, { recursive: true }));
  layersFolder = kept;
}

describe('a layer that is being made', () => {
  it('is swept together with the volume that was made for it', async () => {
    await crashWhileMaking('a', 'own');
    expect(await readdir(layersFolder)).toEqual(['a.partial']);
    expect(await removeLeftovers(layersFolder, memory.control)).toEqual(['a']);
    expect([await readdir(layersFolder), volumes()]).toEqual([[], []]);
  });

  it('has no volume that goes with it when an overlay is sealed, whatever that is called', async () => {
    await memory.control.createVolume({ id: 'a', size: 4096 });
    await crashWhileMaking('a', 'none');
    expect(await removeLeftovers(layersFolder, memory.control)).toEqual(['a']);
    expect([await readdir(layersFolder), volumes()]).toEqual([[], ['a']]);
  });

  it('keeps the overlay its volume also when the crash came at the very beginning', async () => {
    await memory.control.createVolume({ id: 'a', size: 4096 });
    await mkdir(join(layersFolder, 'a.sealing'));
    expect(await removeLeftovers(layersFolder, memory.control)).toEqual(['a']);
    expect([await readdir(layersFolder), volumes()]).toEqual([[], ['a']]);
  });

  it('is removed when the work fails', async () => {
    const broken = async (): Promise<void> => {
      throw new Error('broken');
    };
    await memory.control.createVolume({ id: 'sealed', size: 4096 });
    await expect(make('a', 'own', broken)).rejects.toThrow('broken');
    await expect(make('sealed', 'none', broken)).rejects.toThrow('broken');
    expect([await readdir(layersFolder), volumes()]).toEqual([[], ['sealed']]);
  });

  it('is refused under the name of another, which keeps what it has', async () => {
    await make('a', 'own');
    expect(await failure(make('a', 'own'))).toBe('ALREADY_EXISTS');
    expect(await failure(make('a', 'none'))).toBe('ALREADY_EXISTS');
    let inner = '';
    await make('b', 'own', async () => {
      inner = await failure(make('b', 'own'));
    });
    expect(inner).toBe('ALREADY_EXISTS');
    await memory.control.createVolume({ id: 'c', size: 4096 });
    expect(await failure(make('c', 'own'))).toBe('ALREADY_EXISTS');
    expect(await readdir(layersFolder)).toEqual(['a', 'b']);
    expect(volumes()).toEqual(['a', 'b', 'c']);
  });
});

describe('a layer that is removed', () => {
  it('goes with the volume that the catalog says it has', async () => {
    await memory.control.createVolume({ id: 'overlay.data', size: 4096 });
    await memory.control.createVolume({ id: 'a', size: 4096 });
    await make('a', 'none');
    await removeLayer(layersFolder, 'a', memory.control, 'overlay.data');
    expect([await readdir(layersFolder), volumes()]).toEqual([[], ['a']]);
  });

  it('goes with that volume also when a crash cuts the removal short', async () => {
    await memory.control.createVolume({ id: 'overlay.data', size: 4096 });
    await memory.control.createVolume({ id: 'a', size: 4096 });
    await make('a', 'none');
    const sleeping = {
      deleteVolume: async () => {
        throw new Fault('UNAVAILABLE', 'the array sleeps');
      },
    };
    const removal = removeLayer(layersFolder, 'a', sleeping, 'overlay.data');
    expect(await failure(removal)).toBe('UNAVAILABLE');
    expect(await readdir(layersFolder)).toEqual(['a.partial']);
    expect(await removeLeftovers(layersFolder, memory.control)).toEqual(['a']);
    expect([await readdir(layersFolder), volumes()]).toEqual([[], ['a']]);
  });

  it('leaves the overlay its volume when the catalog never heard of the seal', async () => {
    await memory.control.createVolume({ id: 'a', size: 4096 });
    await make('a', 'none');
    await removeLayer(layersFolder, 'a', memory.control);
    expect([await readdir(layersFolder), volumes()]).toEqual([[], ['a']]);
  });

  it('names no volume when the name was cut off', async () => {
    await memory.control.createVolume({ id: 'over', size: 4096 });
    await make('a', 'own');
    await writeFile(join(layersFolder, 'a', 'volume'), 'over');
    await removeLayer(layersFolder, 'a', memory.control);
    expect([await readdir(layersFolder), volumes()]).toEqual([[], ['over', 'a']]);
  });

  it('is not there: NOT_FOUND', async () => {
    expect(await failure(removeLayer(layersFolder, 'a', memory.control))).toBe('NOT_FOUND');
    expect(await failure(removeLayer(layersFolder, 'a', memory.control, 'v'))).toBe('NOT_FOUND');
  });
});
