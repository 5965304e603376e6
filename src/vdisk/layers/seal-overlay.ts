/**
 * Seals an overlay into a layer. Its data volume becomes the layer's as it is; what is made is the
 * layer's folder:
 *
 *     settle      the overlay's volumes hold everything that was acknowledged, on stable storage
 *     map         the overlay's bits
 *     manifest    chunks that the overlay touches are read through it; the others have the parent's hash
 *     boot files  looked for anew: what was changed may be the kernel; or the parent's
 *
 * The volumes stay the overlay's until the catalog says otherwise: nothing here deletes them, neither
 * a failure nor the sweep after a crash (layer-files.ts).
 */
import { Fault } from '../../errors/index.ts';
import type { VolumeControl, VolumeData, VolumeLocator } from '../../repositories/index.ts';
import type { BootFiles } from '../boot-files/index.ts';
import { type ChainDifference, DifferenceMap } from '../chain/index.ts';
import {
  CHUNK_BYTES,
  hasChunk,
  ManifestCursor,
  ManifestWriter,
  markChunk,
} from '../manifest/index.ts';
import { MAXIMUM_OVERLAY_BYTES, readOverlayMap, settleOverlay } from '../overlay/index.ts';
import { bothOf, bytesOf, forEachWindow } from './chunk-windows.ts';
import { type DifferenceSurvey, surveyDifference } from './difference-survey.ts';
import {
  type LayerChain,
  type LayeredDisk,
  openLayeredDisk,
  readChainMaps,
  topOf,
} from './layer-chain.ts';
import { type LayerFiles, layerFiles } from './layer-files.ts';
import { writeLayerMap } from './layer-map.ts';
import type { AfterStep, LayerWork } from './layer-work.ts';
import { makeLayer } from './make-layer.ts';
import { asLayerWork, checkCancelled } from './storage-fault.ts';
import { copyBootFiles, takeBootFiles } from './take-boot-files.ts';

/** An overlay that no worker has open any more. */
export interface ClosedOverlay {
  readonly data: VolumeLocator;
  readonly map: VolumeLocator;
  /** Of the disk, in bytes: at least its parent's. */
  readonly size: number;
  /** Names this boot of the host: the content of /proc/sys/kernel/random/boot_id. */
  readonly bootId: string;
}

export interface SealRequest {
  readonly overlay: ClosedOverlay & {
    /** Sequence of its last flush that went through the journal (lastJournalled); 0: none did. */
    readonly journalled: number;
  };
  /** What the overlay stands on. */
  readonly parent: LayerChain;
  /** A fresh name, good for a folder. */
  readonly layerId: string;
  /**
   * Undefined: found in the disk; `found or parents`: where none are found, what it was booted with goes on;
   * `parents`: copied, where they were given by hand.
   */
  readonly bootFiles?: 'found or parents' | 'parents';
  readonly afterStep?: AfterStep<SealStep>;
}

export type SealStep = 'begun' | 'settled' | 'map' | 'manifest' | 'boot files';

export interface SealedLayer {
  readonly layerId: string;
  /** Hex SHA-256 of the manifest of the whole disk. */
  readonly contentId: string;
  /** Bytes of the disk. */
  readonly size: number;
  /** Bytes of the whole disk in chunks that are not all zeroes. */
  readonly dataBytes: number;
  /** Bytes of blocks that the layer has. */
  readonly ownedBytes: number;
  /** Chunks of which the layer decides a block. */
  readonly changedChunks: number;
  /** Undefined: they are the parent's. */
  readonly bootFiles: BootFiles | undefined;
}

interface Seal {
  readonly request: SealRequest;
  readonly work: LayerWork;
  readonly name: string;
  readonly files: LayerFiles;
}

/**
 * @throws Fault CANCELLED, INVALID_INPUT, ALREADY_EXISTS (the layer's name), LIMIT_EXCEEDED (a chain of too
 *   many layers), IMAGE_INVALID or NOT_FOUND (a layer's files), NO_SPACE, UNAVAILABLE (a volume fails, or
 *   a flush of the overlay has failed before). The overlay is then what it was, and can be opened.
 */
export async function sealOverlay(request: SealRequest, work: LayerWork): Promise<SealedLayer> {
  const { layerId } = request;
  const name = `sealing layer ${layerId}`;
  return asLayerWork(name, work.signal, () => {
    checkSizes(request);
    const { layersFolder } = work;
    const layer = { layersFolder, layerId, volume: 'none', volumes: NO_VOLUMES } as const;
    return makeLayer(layer, async ({ files }) => {
      const sealed = await seal({ request, work, name, files });
      checkCancelled(name, work.signal);
      return sealed;
    });
  });
}

/** A seal makes none, so that there is none to delete. */
const NO_VOLUMES: Pick<VolumeControl, 'deleteVolume'> = {
  deleteVolume: async (id) => {
    throw new Fault('INTERNAL', `sealing an overlay must not delete volume ${id}`);
  },
};

function checkSizes({ overlay, parent }: SealRequest): void {
  const least = topOf(parent).size;
  const { size } = overlay;
  if (Number.isSafeInteger(size) && size >= least && size <= MAXIMUM_OVERLAY_BYTES) return;
  throw new Fault('INVALID_INPUT', `an overlay of ${size} bytes over a disk of ${least}`, {
    field: 'overlay.size',
    value: size,
    expected: `${least} to ${MAXIMUM_OVERLAY_BYTES} bytes`,
  });
}

async function seal(job: Seal): Promise<SealedLayer> {
  const { request, work, files } = job;
  const { overlay, parent, layerId, afterStep } = request;
  const { size } = overlay;
  await afterStep?.('begun');
  const bits = await settledBits(request.overlay, work.volumeData);
  await afterStep?.('settled');
  const difference: ChainDifference = { size, ...bits };
  await writeLayerMap(files.map, difference);
  await afterStep?.('map');
  const survey = await surveyDifference(new DifferenceMap(difference), size);
  const maps = await readChainMaps(parent, work.layersFolder);
  const disk = await openLayeredDisk(
    { size, base: maps.base, differences: [...maps.differences, difference] },
    [...parent, { layerId, volume: overlay.data }],
    work.volumeData,
  );
  try {
    const named = await writeManifest(disk, survey, job);
    await afterStep?.('manifest');
    const bootFiles = await sealBootFiles(disk, job);
    await afterStep?.('boot files');
    const { ownedBytes, touchedChunks: changedChunks } = survey;
    return { layerId, size, ...named, ownedBytes, changedChunks, bootFiles };
  } finally {
    await disk.close();
  }
}

/** Everything that was acknowledged is durable, and this is which blocks it is. */
async function settledBits(overlay: SealRequest['overlay'], volumeData: VolumeData) {
  const { size, bootId, journalled } = overlay;
  const map = await volumeData.open(overlay.map, { write: true });
  try {
    const data = await volumeData.open(overlay.data, { write: true });
    try {
      await settleOverlay({ map, data, size, bootId, journalled });
    } finally {
      await data.close();
    }
    return await readOverlayMap({ map, size, bootId });
  } finally {
    await map.close();
  }
}

/** The parent's manifest with the chunks that changed. */
async function writeManifest(
  disk: LayeredDisk,
  survey: DifferenceSurvey,
  { request, work, files, name }: Seal,
): Promise<{ readonly contentId: string; readonly dataBytes: number }> {
  const { size } = disk;
  const parent = topOf(request.parent);
  const changed = Uint8Array.from(survey.touched);
  // A short last chunk has other bytes, and so another hash, where the disk goes on behind it.
  if (size > parent.size) markChunk(changed, Math.floor(parent.size / CHUNK_BYTES));
  const chunks = bothOf(changed, disk.presentChunks);
  const bytesTotal = bytesOf(chunks, size);
  let bytesDone = 0;
  const cursor = await ManifestCursor.open(layerFiles(work.layersFolder, parent.layerId).manifest);
  try {
    const manifest = await ManifestWriter.create(files.manifest, size);
    try {
      const takeBelow = (end: number): Promise<void> =>
        cursor.takeBelow(end, ({ chunk, hash }) =>
          hasChunk(changed, chunk) ? undefined : manifest.add(chunk, hash),
        );
      const cancelCheck = (): void => checkCancelled(name, work.signal);
      const source = { device: disk.device, chunks, checkCancelled: cancelCheck };
      await forEachWindow(source, async (window) => {
        for (const { chunk, hash, failure, length } of window.chunks) {
          if (failure !== undefined) throw failure;
          await takeBelow(chunk);
          if (hash !== undefined) await manifest.add(chunk, hash);
          bytesDone += length;
        }
        work.progress({ bytesDone, bytesTotal });
      });
      await takeBelow(Number.POSITIVE_INFINITY);
      const contentId = await manifest.finish();
      return { contentId, dataBytes: manifest.dataBytes };
    } finally {
      await manifest.close();
    }
  } finally {
    await cursor.close();
  }
}

async function sealBootFiles(
  disk: LayeredDisk,
  { request, work, files }: Seal,
): Promise<BootFiles | undefined> {
  if (request.bootFiles !== 'parents') {
    const found = await takeBootFiles(disk.device, files, work.signal);
    if (found.kernel !== undefined || request.bootFiles === undefined) return found;
  }
  await copyBootFiles(layerFiles(work.layersFolder, topOf(request.parent).layerId), files);
  return undefined;
}
