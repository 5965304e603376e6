/** The control plane's port onto layers: imports, seals, merges and checks in the service's repository. */
import { randomUUID } from 'node:crypto';
import { readdir } from 'node:fs/promises';
import {
  type BootFileNames,
  type Catalog,
  type ImageStore,
  type ImportProgress,
  type MergeRequest,
  NO_BOOT_FILES,
  placeOf,
  type SealRequest,
  type StoredLayer,
  type VerifiedLayer,
  type VerifyRequest,
  volumeIdIn,
} from '../control/index.ts';
import { Fault } from '../errors/index.ts';
import { deleteVolumes, type VolumeControl } from '../repositories/index.ts';
import {
  type BootFiles,
  importImage,
  lastJournalled,
  mergeLayers,
  overlayChanges,
  removeLayer,
  removeLeftovers,
  type SealRequest as SealOverlayRequest,
  sealOverlay,
  verifyLayer,
} from '../vdisk/index.ts';
import type { DataFolder } from './data-folder.ts';
import type { LayerShelf } from './layer-shelf.ts';
import { DAMAGE_KEPT } from './limits.ts';
import type { Generation, OverlayBook } from './overlay-book.ts';
import { noOverlay } from './overlay-entry.ts';
import type { LayerRepositories } from './storage/index.ts';

export interface LayerStoreParts {
  readonly folder: Pick<DataFolder, 'layers'>;
  readonly catalog: Catalog;
  readonly repository: LayerRepositories;
  readonly layers: LayerShelf;
  readonly overlays: OverlayBook;
  /** Names this boot of the host. */
  readonly bootId: string;
}

type Progress = (progress: ImportProgress) => void;

export class LayerStore implements ImageStore {
  readonly #parts: LayerStoreParts;

  constructor(parts: LayerStoreParts) {
    this.#parts = parts;
  }

  async importImage(
    request: Parameters<ImageStore['importImage']>[0],
    progress: Progress,
    signal: AbortSignal,
  ): ReturnType<ImageStore['importImage']> {
    const { folder, repository } = this.#parts;
    const { repositoryId } = request;
    const dependencies = {
      volumes: repository.volumesIn(repositoryId),
      volumeData: repository.data,
      layersFolder: folder.layers,
      newId: randomUUID,
    };
    const imported = await importImage(request, dependencies, progress, signal);
    const { layerId, contentId, size, dataBytes, format, bootFiles } = imported;
    const given = request.kernel !== undefined || request.initrd !== undefined;
    return {
      ...{ layerId, volumeId: volumeIdIn(repositoryId, layerId), contentId, size, dataBytes },
      ...{ ownBytes: dataBytes, format },
      bootFiles: bootFileNames(bootFiles, given),
      noKernelReason: bootFiles.reason,
    };
  }

  seal<T>(
    request: SealRequest,
    keep: (layer: StoredLayer) => T,
    progress: Progress,
    signal: AbortSignal,
  ): Promise<T> {
    return this.#hold(request, async (overlay) => {
      const layer = await this.#seal(overlay, request, progress, signal);
      try {
        return { result: keep(layer), isSealed: true };
      } catch (error) {
        const { folder, repository } = this.#parts;
        // Its folder only: the volume is the overlay's.
        await removeLayer(folder.layers, layer.layerId, repository.volumes).catch(() => undefined);
        throw error;
      }
    });
  }

  async changes(ownerId: string): ReturnType<ImageStore['changes']> {
    const facts = this.#parts.overlays.facts(ownerId);
    if (facts === undefined) throw noOverlay(ownerId);
    const parentId = this.#parts.layers.resolve(facts.layerId);
    return this.#hold({ ownerId, parentId }, async ({ data, map, size }) => {
      const { folder, layers, repository, bootId } = this.#parts;
      const found = await overlayChanges(
        { data, map, size, bootId },
        await layers.chain(parentId),
        {
          layersFolder: folder.layers,
          volumeData: repository.data,
          signal: AbortSignal.timeout(CHANGES_MS),
        },
      );
      const { ownedBytes, zeroedBytes, changedChunks, presentChunks: chunks, partitions } = found;
      return {
        result: { ownedBytes, zeroedBytes, changedChunks, chunks, partitions },
        isSealed: false,
      };
    });
  }

  merge(request: MergeRequest, progress: Progress, signal: AbortSignal): Promise<StoredLayer> {
    const { layers, repository } = this.#parts;
    const { layerId: top, mode } = request;
    return this.#reading(top, async () => {
      const chain = await layers.chain(top);
      // With what it replaces, as far down as that reaches: where the vDisk's base is.
      const { repositoryId } = placeOf(layers.record(chain[0].layerId).volumeId);
      const wanted = {
        ...{ chain, mode, layerId: randomUUID() },
        expectedContentId: layers.record(top).contentId,
      };
      const volumes = repository.volumesIn(repositoryId);
      const work = { ...this.#work(progress, signal), volumes };
      const { layerId, contentId, size, dataBytes, ownedBytes } = await mergeLayers(wanted, work);
      return {
        ...{ layerId, volumeId: volumeIdIn(repositoryId, layerId), contentId, size, dataBytes },
        ownBytes: ownedBytes,
        bootFiles: NO_BOOT_FILES,
        noKernelReason: undefined,
      };
    });
  }

  async verify(
    request: VerifyRequest,
    each: (layer: VerifiedLayer) => void,
    progress: Progress,
    signal: AbortSignal,
  ): Promise<void> {
    const { layers } = this.#parts;
    const sizes = request.layerIds.map((id) => layers.record(id).ownBytes);
    const bytesTotal = sizes.reduce((sum, bytes) => sum + bytes, 0);
    // All of them, from the start: one that is merged away meanwhile would look like damage.
    const uses = request.layerIds.map((id) => layers.use(id));
    try {
      let before = 0;
      for (const [at, layerId] of request.layerIds.entries()) {
        const most = sizes[at] ?? 0;
        const tell: Progress = ({ bytesDone }) =>
          progress({ bytesDone: before + Math.min(bytesDone, most), bytesTotal });
        const verified = await this.#verifyOne(layerId, request.bytesPerSecond, tell, signal);
        if (verified !== undefined) each(verified);
        before += most;
      }
    } finally {
      for (const done of uses) done();
    }
  }

  async removeLayer(layerId: string, volumeId: string): Promise<void> {
    const { folder, layers, repository } = this.#parts;
    layers.forget(layerId);
    try {
      await removeLayer(folder.layers, layerId, repository.volumes, volumeId);
    } catch (error) {
      if (!(error instanceof Fault && error.code === 'NOT_FOUND')) throw error;
      // Its folder is gone: sweepLayers went on with a removal that a crash had cut short, but did not know
      // the volume of what was once an overlay.
      await deleteVolumes(repository.volumes, [volumeId]);
    }
  }

  async space(): Promise<{ readonly totalBytes: number; readonly freeBytes: number }> {
    const space = await this.#parts.repository.volumes.space(); // of a folder, which always knows
    return { totalBytes: space?.total ?? 0, freeBytes: space?.free ?? 0 };
  }

  async #seal(
    overlay: Generation,
    request: SealRequest,
    progress: Progress,
    signal: AbortSignal,
  ): Promise<StoredLayer> {
    const { layers, bootId } = this.#parts;
    const { data, map, size, state, dataVolume: volumeId } = overlay;
    const layerId = randomUUID();
    const sealed = await sealOverlay(
      {
        overlay: { data, map, size, bootId, journalled: lastJournalled(state) },
        parent: await layers.chain(request.parentId),
        layerId,
        ...bootFilesOf(request.bootFiles),
      },
      this.#work(progress, signal),
    );
    const { contentId, dataBytes, ownedBytes, bootFiles: found } = sealed;
    return {
      ...{ layerId, volumeId, contentId, size, dataBytes, ownBytes: ownedBytes },
      bootFiles: found === undefined ? request.bootFiles : bootFileNames(found, false),
      noKernelReason: found?.reason,
    };
  }

  async #verifyOne(
    layerId: string,
    bytesPerSecond: number | undefined,
    progress: Progress,
    signal: AbortSignal,
  ): Promise<VerifiedLayer | undefined> {
    const { catalog, layers } = this.#parts;
    // Merged or deleted since this began: it is nobody's any more.
    if (catalog.layers.byId(layerId) === undefined) return undefined;
    const damaged: VerifiedLayer['damaged'][number][] = [];
    try {
      const { chunks, bytes, damagedChunks } = await this.#reading(layerId, async () =>
        verifyLayer(
          {
            chain: await layers.chainFromHome(layerId),
            onlyOwn: true,
            ...(bytesPerSecond === undefined ? {} : { bytesPerSecond }),
            onDamage: (damage) => {
              if (damaged.length >= DAMAGE_KEPT) return;
              const { chunk, offset, length, layerIds: heldBy } = damage;
              const { message: reason } = damage;
              damaged.push({ layerId, chunk, offset, length, heldBy, reason });
            },
          },
          this.#work(progress, signal),
        ),
      );
      return { layerId, chunks, bytes, damaged, damagedChunks };
    } catch (error) {
      // A manifest or map that is damaged cannot judge anything; the other layers can still be read.
      if (!(error instanceof Fault) || !NOT_JUDGED.has(error.code)) throw error;
      const all = { layerId, chunk: 0, offset: 0, length: 0, heldBy: [layerId] };
      const damage = [{ ...all, reason: error.message }];
      return { layerId, chunks: 0, bytes: 0, damaged: damage, damagedChunks: 1 };
    }
  }

  #work(progress: Progress, signal: AbortSignal) {
    const { folder, repository } = this.#parts;
    return { layersFolder: folder.layers, volumeData: repository.data, progress, signal };
  }

  /** The chain stays while it is read. */
  async #reading<T>(layerId: string, work: () => Promise<T>): Promise<T> {
    const done = this.#parts.layers.use(layerId);
    try {
      return await work();
    } finally {
      done();
    }
  }

  /** Nobody opens the overlay meanwhile, and what it stands on stays. */
  #hold<T>(
    { ownerId, parentId }: Pick<SealRequest, 'ownerId' | 'parentId'>,
    work: (overlay: Generation) => Promise<{ readonly result: T; readonly isSealed: boolean }>,
  ): Promise<T> {
    const { catalog, overlays } = this.#parts;
    const facts = overlays.facts(ownerId);
    if (facts === undefined) throw noOverlay(ownerId);
    const { layerId, number } = facts;
    const { quotaBytes } = catalog.machines.byId(ownerId) ?? {};
    const owner = { ownerId, number, layerId, layerIds: new Set([layerId]), quotaBytes };
    return this.#reading(parentId, () => overlays.hold(owner, work));
  }
}

/** What says that a layer cannot be judged, and nothing of the others. */
const NOT_JUDGED: ReadonlySet<string> = new Set([
  'IMAGE_INVALID',
  'IMAGE_UNSUPPORTED',
  'NOT_FOUND',
]);

/** For the report of changes: reads maps and the partition table. */
const CHANGES_MS = 60_000;

function bootFileNames(files: BootFiles, given: boolean): BootFileNames {
  const { kernel, initrd, rootPartition, rootFilesystem, initramfs } = files;
  return { kernel, initrd, rootPartition, rootFilesystem, initramfs, given };
}

/** How a seal comes by its boot files: where nothing is found, what its parent boots with goes on. */
function bootFilesOf({ given, kernel }: BootFileNames): Pick<SealOverlayRequest, 'bootFiles'> {
  if (given) return { bootFiles: 'parents' };
  return kernel === undefined ? {} : { bootFiles: 'found or parents' };
}

/**
 * Removes what a crash left: half imports, and layers that were finished but never reached the
 * catalog. Call it before the first import.
 * @param inUse the catalog's layers
 */
export async function sweepLayers(
  layersFolder: string,
  volumes: VolumeControl,
  inUse: ReadonlySet<string>,
): Promise<void> {
  await removeLeftovers(layersFolder, volumes);
  for (const layerId of await readdir(layersFolder)) {
    if (!inUse.has(layerId)) await removeLayer(layersFolder, layerId, volumes);
  }
}
