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
import { BLOCK_BYTES, formatOverlay, overlayMapBytes, settleOverlay } from '../vdisk/index.ts';
import type { Repository } from './repository.ts';

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

/** By owner, the oldest generation first. */
export function findOverlays(
  volumes: readonly Volume[],
): ReadonlyMap<string, readonly FoundOverlay[]> {
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
  const overlays = [...found.values()].map(
    ({ name, volumes, sizes }): FoundOverlay => ({
      ...ownOverlay(name),
      volumes,
      isWhole: sizes.length === 2 && !sizes.includes(0),
    }),
  );
  overlays.sort((a, b) => a.number - b.number);
  return Map.groupBy(overlays, ({ ownerId }) => ownerId);
}

/**
 * A fresh overlay, in which every block is the parent's. Nothing of it is left when it fails, or goes when its
 * repository is attached next.
 * @throws Fault UNSUPPORTED for a disk that cannot be written in the units of the repository
 */
export async function createOverlayVolumes(
  { volumes, data: volumeData }: Repository,
  { dataVolume: data, mapVolume: map }: StoredOverlay,
  what: { readonly size: number; readonly bootId: string },
): Promise<void> {
  try {
    const volume = await volumes.createVolume({ id: map, size: overlayMapBytes(what.size) });
    const device = await volumeData.open(volume.locator, { write: true });
    try {
      refuseUnits(what.size, device.geometry);
      await formatOverlay(device, what);
    } finally {
      await device.close();
    }
    // The data volume comes last: where both exist, the map is known to be formatted.
    await volumes.createVolume({ id: data, size: what.size });
  } catch (error) {
    // What made it fail is what there is to tell.
    await deleteVolumes(volumes, [data, map]).catch(() => undefined);
    throw error;
  }
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

/** @throws Fault NOT_FOUND, UNAVAILABLE */
export async function locateOverlay(
  { volumes }: Repository,
  { dataVolume, mapVolume }: StoredOverlay,
): Promise<{ readonly data: VolumeLocator; readonly map: VolumeLocator }> {
  const data = await volumes.showVolume(dataVolume);
  const map = await volumes.showVolume(mapVolume);
  return { data: data.locator, map: map.locator };
}

/** Makes durable what was acknowledged. No worker has the overlay open. */
export async function settleVolumes(
  { data: volumeData }: Repository,
  overlay: { readonly data: VolumeLocator; readonly map: VolumeLocator },
  what: { readonly size: number; readonly bootId: string; readonly journalled: number },
): Promise<void> {
  const map = await volumeData.open(overlay.map, { write: true });
  try {
    const data = await volumeData.open(overlay.data, { write: true });
    try {
      await settleOverlay({ map, data, ...what });
    } finally {
      await data.close();
    }
  } finally {
    await map.close();
  }
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
