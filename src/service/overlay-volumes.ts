/**
 * The volumes of overlays: what they are called, making them, and what of them is found at a start.
 *
 *   overlay.<ownerId>.<generation>.<layerId>.data | .map
 *
 * The owner is a machine, or a version in maintenance. A generation remembers the layer it stands on in its
 * name; what that layer is called now, the catalog knows. In other repositories than the service's own
 * volumes have names that say nothing, and the catalog knows all of it (overlay-places.ts).
 */
import type { Geometry } from '../block/index.ts';
import { Fault } from '../errors/index.ts';
import { deleteVolumes, type Volume, type VolumeLocator } from '../repositories/index.ts';
import {
  BLOCK_BYTES,
  formatOverlay,
  overlayMapBytes,
  recoverOverlay,
  settleOverlay,
} from '../vdisk/index.ts';
import { type Opening, type RecoverMap, recoverMap } from './recovery/index.ts';
import type { Repository } from './repository.ts';
import { withDevice } from './with-device.ts';

/** A generation, as its volumes name it. */
export interface OverlayName {
  readonly ownerId: string;
  readonly number: number;
  readonly layerId: string;
}

/** A generation with its volumes, called as layers call theirs: elsewhere than at home REPOSITORY/ID. */
export interface StoredOverlay extends OverlayName {
  /** undefined: the service's own. */
  readonly repositoryId: string | undefined;
  readonly dataVolume: string;
  readonly mapVolume: string;
}

/** What a crash may have left of a generation: one volume or both, whole or not. */
export interface FoundOverlay extends StoredOverlay {
  /** Those that are there. */
  readonly volumes: readonly string[];
  /** Both are there and have their size: a crash may come between the name and the size. */
  readonly isWhole: boolean;
}

const NAME = /^overlay\.([0-9a-z-]+)\.(\d+)\.([0-9a-z-]+)\.(data|map)$/;

/** One in the service's own repository. */
export function ownOverlay({ ownerId, number, layerId }: OverlayName): StoredOverlay {
  const named = (role: 'data' | 'map'): string => `overlay.${ownerId}.${number}.${layerId}.${role}`;
  return {
    ...{ ownerId, number, layerId, repositoryId: undefined },
    ...{ dataVolume: named('data'), mapVolume: named('map') },
  };
}

/** Those in the service's own repository. */
export function findOverlays(volumes: readonly Volume[]): readonly FoundOverlay[] {
  const found = new Map<string, { name: OverlayName; volumes: string[]; sizes: number[] }>();
  for (const { id, size } of volumes) {
    const match = NAME.exec(id);
    if (match === null) continue;
    const [, ownerId = '', number = '', layerId = ''] = match;
    const key = `${ownerId}.${number}`;
    const one = found.get(key) ?? {
      name: { ownerId, number: Number(number), layerId },
      volumes: [],
      sizes: [],
    };
    found.set(key, one);
    one.volumes.push(id);
    one.sizes.push(size);
  }
  return [...found.values()].map(
    ({ name, volumes, sizes }): FoundOverlay => ({
      ...ownOverlay(name),
      volumes,
      isWhole: sizes.length === 2 && !sizes.includes(0),
    }),
  );
}

/** An overlay's volumes, and the state of it that workers share. */
export interface OpenedOverlay {
  readonly data: VolumeLocator;
  readonly map: VolumeLocator;
  readonly state: SharedArrayBuffer;
}

/**
 * A fresh overlay, in which every block is the parent's. Nothing of it is left when it fails, or goes when its
 * repository is attached next.
 * @throws Fault UNSUPPORTED for a disk that cannot be written in the units of the repository
 */
export async function createOverlayVolumes(
  { volumes, data: volumeData }: Repository,
  { repositoryId, dataVolume, mapVolume }: StoredOverlay,
  opening: Opening,
): Promise<OpenedOverlay> {
  const { size } = opening;
  const makeData = (): Promise<Volume> => volumes.createVolume({ id: dataVolume, size });
  // At home it comes last: where both exist, the map is known to be formatted. Elsewhere the catalog says what is
  // whole, and an array may take seconds for each.
  const making = repositoryId === undefined ? undefined : settledLater(makeData());
  try {
    const map = await volumes.createVolume({ id: mapVolume, size: overlayMapBytes(size) });
    const state = await withDevice(volumeData, map.locator, async (device) => {
      refuseUnits(size, device.geometry);
      await formatOverlay(device, opening);
      return recoverOverlay({ map: device, ...opening });
    });
    const data = await (making ?? makeData());
    return { data: data.locator, map: map.locator, state };
  } catch (error) {
    await making?.catch(() => undefined);
    // What made it fail is what there is to tell. Each for itself: one that cannot be deleted keeps no other.
    const both = [dataVolume, mapVolume];
    await Promise.allSettled(both.map((id) => deleteVolumes(volumes, [id])));
    throw error;
  }
}

/** Whoever waits for it is told when it fails, also when nobody waits yet. */
function settledLater<T>(promise: Promise<T>): Promise<T> {
  promise.catch(() => undefined);
  return promise;
}

/** Blocks are rewritten in parts, and the last one of a disk may be short. @throws Fault UNSUPPORTED */
function refuseUnits(size: number, { minimumIo }: Geometry): void {
  if (size % minimumIo === 0 && minimumIo <= BLOCK_BYTES) return;
  const message = `a disk of ${size} bytes cannot have its write caches in a repository that is written in units of ${minimumIo} bytes`;
  throw new Fault('UNSUPPORTED', message, {
    field: 'vdisk.overlayRepository',
    value: minimumIo,
    expected: `units of at most ${BLOCK_BYTES} bytes, of which the disk is a multiple`,
  });
}

/**
 * One that is there.
 * @param recover opens the map, in this thread or in another
 * @throws Fault NOT_FOUND, UNAVAILABLE; BlockError
 */
export async function openOverlayVolumes(
  { volumes, data: volumeData }: Repository,
  { dataVolume, mapVolume }: StoredOverlay,
  opening: Opening,
  recover: RecoverMap = recoverMap,
): Promise<OpenedOverlay> {
  const [data, map] = await Promise.all([
    volumes.showVolume(dataVolume),
    volumes.showVolume(mapVolume),
  ]);
  const state = await recover(volumeData, map.locator, opening);
  return { data: data.locator, map: map.locator, state };
}

/** Makes durable what was acknowledged. No worker has the overlay open. */
export async function settleVolumes(
  { data: volumeData }: Repository,
  overlay: { readonly data: VolumeLocator; readonly map: VolumeLocator },
  what: { readonly size: number; readonly bootId: string; readonly journalled: number },
): Promise<void> {
  await withDevice(volumeData, overlay.map, (map) =>
    withDevice(volumeData, overlay.data, (data) => settleOverlay({ map, data, ...what })),
  );
}

/** @throws Fault UNAVAILABLE for an overlay in which a crash's flushed writes are missing */
export function refuseUnrestored(
  unrestored: ReadonlyMap<string, unknown> | undefined,
  dataVolume: string,
): void {
  if (unrestored?.has(dataVolume) !== true) return;
  const message =
    'writes that this machine flushed before the server crashed could not be restored from the ' +
    'flush journal; see the log of the start, mend its cause and start the service again, or ' +
    'reset the machine to give them up';
  const cause = unrestored.get(dataVolume);
  throw new Fault('UNAVAILABLE', message, { field: 'overlay', value: dataVolume }, { cause });
}
