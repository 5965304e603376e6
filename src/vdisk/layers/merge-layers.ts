/**
 * Merges the layers of a chain into one of the same content, with fewer layers below it. Read first.
 *
 *     full      a base of its own: everything that the disk holds
 *     partial   one difference over the same base: everything that the differences hold
 *
 * Every chunk that is copied is compared with the manifest of the top layer, so that a chain that is damaged
 * is not merged. What stands on the chain goes on with it until the catalog puts the new layer in its
 * place.
 */
import { constants } from 'node:fs';
import { copyFile } from 'node:fs/promises';
import { syncPath } from '../../base/index.ts';
import { Fault } from '../../errors/index.ts';
import { freeBytesOf, type VolumeControl } from '../../repositories/index.ts';
import { type ChainDifference, DifferenceMap } from '../chain/index.ts';
import { ManifestWriter } from '../manifest/index.ts';
import { bothOf, eitherOf } from './chunk-windows.ts';
import { surveyDifference } from './difference-survey.ts';
import {
  type ChainMaps,
  type LayerChain,
  type LayeredDisk,
  openLayeredDisk,
  readChainMaps,
  topOf,
} from './layer-chain.ts';
import { createLayerVolume, type HalfLayer, layerFiles } from './layer-files.ts';
import { writeLayerMap } from './layer-map.ts';
import type { AfterStep, LayerWork } from './layer-work.ts';
import { SPACE_RESERVE_BYTES } from './limits.ts';
import { makeLayer } from './make-layer.ts';
import { copyChunks, type MergeCopy } from './merge-copy.ts';
import { FIRST_DIFFERENCE, mergeMaps } from './merge-maps.ts';
import { asLayerWork, checkCancelled, noSpace } from './storage-fault.ts';
import { copyBootFiles } from './take-boot-files.ts';
import { type WholeManifest, wholeManifest } from './whole-manifest.ts';

export interface MergeRequest {
  readonly chain: LayerChain;
  /** `full`: of two layers or more; `partial`: of two differences or more. */
  readonly mode: 'full' | 'partial';
  /** A fresh name, good for a volume and a folder. */
  readonly layerId: string;
  /** Of the chain's top layer, hex. */
  readonly expectedContentId: string;
  readonly afterStep?: AfterStep<MergeStep>;
}

export type MergeStep = 'begun' | 'volume' | 'data' | 'files';

export interface MergeWork extends LayerWork {
  readonly volumes: Pick<VolumeControl, 'createVolume' | 'deleteVolume' | 'space'>;
}

export interface MergedLayer {
  /** Names the volume and the layer's folder. */
  readonly layerId: string;
  readonly kind: 'base' | 'difference';
  readonly contentId: string;
  /** Bytes of the disk. */
  readonly size: number;
  /** Bytes of the whole disk in chunks that are not all zeroes. */
  readonly dataBytes: number;
  /** Bytes of what the layer itself has: of a base its chunks, of a difference its blocks. */
  readonly ownedBytes: number;
}

/** What is going to be copied. */
interface Plan {
  readonly chunks: Uint8Array;
  readonly leastSource: number;
  readonly ownedBytes: number;
  /** Undefined: it becomes a base. */
  readonly map: ChainDifference | undefined;
}

interface Merge {
  readonly request: MergeRequest;
  readonly work: MergeWork;
  readonly name: string;
  readonly disk: LayeredDisk;
  /** Of the top layer. */
  readonly manifest: WholeManifest;
  readonly plan: Plan;
}

/**
 * @throws Fault CANCELLED, INVALID_INPUT (nothing to merge), ALREADY_EXISTS (the layer's name), NO_SPACE,
 *   IMAGE_INVALID (a chunk or a layer's file is damaged, or the content is not the expected one),
 *   NOT_FOUND (a layer's files), LIMIT_EXCEEDED, UNAVAILABLE (a volume fails). Nothing is left behind.
 */
export async function mergeLayers(request: MergeRequest, work: MergeWork): Promise<MergedLayer> {
  const { layerId, chain } = request;
  const { layersFolder, volumes, volumeData } = work;
  const name = `merging into layer ${layerId}`;
  return asLayerWork(name, work.signal, async () => {
    checkLayers(request);
    const manifest = await wholeManifest(layersFolder, topOf(chain));
    checkContent(manifest.contentId, request);
    const maps = await readChainMaps(chain, layersFolder);
    const disk = await openLayeredDisk({ size: topOf(chain).size, ...maps }, chain, volumeData);
    try {
      const plan = await planMerge(request, disk, maps, manifest);
      const merge = { request, work, name, disk, manifest, plan };
      await checkSpace(merge, plan.ownedBytes + SPACE_RESERVE_BYTES);
      const layer = { layersFolder, layerId, volume: 'own', volumes } as const;
      return await makeLayer(layer, (half) => mergeInto(half, merge));
    } finally {
      await disk.close();
    }
  });
}

function checkLayers({ chain, mode }: MergeRequest): void {
  const least = mode === 'full' ? 2 : 3;
  if (chain.length >= least) return;
  const message = `a chain of ${chain.length} layers has nothing to merge (${mode})`;
  const details = { field: 'chain', value: chain.length, expected: `${least} layers or more` };
  throw new Fault('INVALID_INPUT', message, details);
}

function checkContent(found: string, { expectedContentId, chain }: MergeRequest): void {
  if (found === expectedContentId) return;
  const message = `layer ${topOf(chain).layerId} has the content ${found}, not ${expectedContentId}`;
  const details = { field: 'contentId', value: found, expected: expectedContentId };
  throw new Fault('IMAGE_INVALID', message, details);
}

async function planMerge(
  { mode }: MergeRequest,
  disk: LayeredDisk,
  maps: ChainMaps,
  manifest: WholeManifest,
): Promise<Plan> {
  // What the manifest has and no layer is damage, to be found by being looked at.
  const present = eitherOf(disk.presentChunks, manifest.presentChunks);
  if (mode === 'full') {
    return { chunks: present, leastSource: 0, ownedBytes: manifest.dataBytes, map: undefined };
  }
  const map = await mergeMaps(disk, maps);
  const { touched, ownedBytes } = await surveyDifference(new DifferenceMap(map), disk.size);
  return { chunks: bothOf(touched, present), leastSource: FIRST_DIFFERENCE, ownedBytes, map };
}

async function checkSpace({ name, work }: Merge, needed: number): Promise<void> {
  const free = freeBytesOf(await work.volumes.space());
  if (needed > free) throw noSpace(name, needed, free);
}

async function mergeInto(half: HalfLayer, merge: Merge): Promise<MergedLayer> {
  const { request, work, name, disk, manifest, plan } = merge;
  const { layerId, chain, afterStep } = request;
  const { size } = disk;
  await afterStep?.('begun');
  const { locator } = await createLayerVolume(half, size, work.volumes);
  await afterStep?.('volume');
  const target = await work.volumeData.open(locator, { write: true });
  try {
    const copy = {
      ...{ disk, target, manifest: manifest.path, ...plan },
      progress: work.progress,
      checkCancelled: () => checkCancelled(name, work.signal),
      checkSpace: () => checkSpace(merge, SPACE_RESERVE_BYTES),
    };
    if (plan.map === undefined) await copyAsBase(copy, half, merge);
    else await copyChunks({ ...copy, name: () => undefined });
  } finally {
    await target.close();
  }
  await afterStep?.('data');
  if (plan.map !== undefined) {
    await writeLayerMap(half.files.map, plan.map);
    await copyFile(manifest.path, half.files.manifest, constants.COPYFILE_EXCL);
    await syncPath(half.files.manifest);
  }
  await copyBootFiles(layerFiles(work.layersFolder, topOf(chain).layerId), half.files);
  await afterStep?.('files');
  checkCancelled(name, work.signal);
  const kind = plan.map === undefined ? 'base' : 'difference';
  const { contentId, dataBytes } = manifest;
  return { layerId, kind, contentId, size, dataBytes, ownedBytes: plan.ownedBytes };
}

/** The new base gets a manifest of what was copied, which must come to the same content. */
async function copyAsBase(
  copy: Omit<MergeCopy, 'name'>,
  { files }: HalfLayer,
  { disk, request }: Merge,
): Promise<void> {
  const manifest = await ManifestWriter.create(files.manifest, disk.size);
  try {
    await copyChunks({ ...copy, name: (chunk, hash) => manifest.add(chunk, hash) });
    checkContent(await manifest.finish(), request);
  } finally {
    await manifest.close();
  }
}
