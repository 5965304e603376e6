/** The two volumes of an overlay on an array: making them, opening them for the workers, making them durable. */
import { Fault } from '../errors/index.ts';
import type { VolumeLocator } from '../repositories/index.ts';
import {
  formatOverlay,
  MAXIMUM_OVERLAY_BYTES,
  overlayMapBytes,
  recoverOverlay,
  settleOverlay,
} from '../vdisk/index.ts';
import { type ArrayVolumes, nodeVolume, type RepositoryPorts } from './array-volumes.ts';
import type { NodeVolume, VolumeNode } from './nodes.ts';
import { withVolume } from './open-nodes.ts';

/** As src/exports has it. */
export interface OverlayParts {
  /** The overlay's whole mutable state, shared by every worker that has it open. */
  readonly state: SharedArrayBuffer;
  readonly data: VolumeLocator;
  readonly map: VolumeLocator;
}

/** A node that has a map. */
export type LayerNode = VolumeNode & { readonly map: NodeVolume };

export function isLayer(node: VolumeNode): node is LayerNode {
  return node.map !== undefined;
}

/** Whether a locator is that of the volume. */
export function isAt({ locator }: NodeVolume): (other: VolumeLocator) => boolean {
  return ({ volume, repository }) => volume === locator.volume && repository === locator.repository;
}

/** Of all that a node is made of. */
export function tagsOf({ data, map }: VolumeNode): readonly string[] {
  return map === undefined ? [data.tag] : [data.tag, map.tag];
}

export const dataTag = (nodeId: string): string => `${nodeId}-data`;
export const mapTag = (nodeId: string): string => `${nodeId}-map`;

/** Bytes, rounded up to what the array can. */
export function roundedSize({ array }: RepositoryPorts, size: number): number {
  const { sizeGranularity, sizeMinimum } = array.info.limits;
  return Math.max(sizeMinimum, Math.ceil(size / sizeGranularity) * sizeGranularity);
}

/** @throws Fault INVALID_INPUT */
export function refuseShrink(from: number, to: number): void {
  if (to >= from) return;
  throw new Fault('INVALID_INPUT', `a volume cannot shrink from ${from} to ${to} bytes`, {
    field: 'size',
    value: to,
    expected: `at least ${from} bytes`,
  });
}

/**
 * An empty overlay, in which every block is its parent's. Its tags stay leftovers until somebody keeps them.
 * @param node.size bytes, rounded already
 * @throws ArrayError, BlockError; Fault LIMIT_EXCEEDED
 */
export async function createOverlay(
  arrays: ArrayVolumes,
  ports: RepositoryPorts,
  node: Pick<LayerNode, 'id' | 'size' | 'parentId'> & { readonly volumeId: string },
  bootId: string,
): Promise<LayerNode> {
  const { id, size } = node;
  refuseTooLarge(size);
  const named = (tag: string) => ({ tag, name: `layer-${tag}`, thin: true });
  const mapSize = roundedSize(ports, overlayMapBytes(size));
  try {
    const map = await arrays.create(ports, { ...named(mapTag(id)), size: mapSize });
    const data = await arrays.create(ports, { ...named(dataTag(id)), size });
    const mapVolume = nodeVolume(mapTag(id), map);
    await withVolume(ports, mapVolume, { write: true }, (device) =>
      formatOverlay(device, { size, bootId }),
    );
    return {
      ...node,
      repositoryId: ports.repositoryId,
      data: nodeVolume(dataTag(id), data),
      map: mapVolume,
      sealed: false,
      snapshotId: undefined,
    };
  } catch (error) {
    // On a full array every attempt would leave a volume until the next attach.
    const tags = [mapTag(id), dataTag(id)];
    await Promise.allSettled(tags.map((tag) => arrays.delete(ports, tag)));
    throw error;
  }
}

function refuseTooLarge(size: number): void {
  if (size <= MAXIMUM_OVERLAY_BYTES) return;
  throw new Fault('LIMIT_EXCEEDED', `a volume of ${size} bytes is too large for layers`, {
    field: 'size',
    value: size,
    expected: `at most ${MAXIMUM_OVERLAY_BYTES} bytes (MAXIMUM_OVERLAY_BYTES)`,
  });
}

/** Once, before any worker has it open. @throws BlockError */
export async function openOverlayParts(
  ports: RepositoryPorts,
  { map, data, size }: LayerNode,
  options: { readonly bootId: string; readonly workers: number },
): Promise<OverlayParts> {
  const state = await withVolume(ports, map, { write: true }, (device) =>
    recoverOverlay({ map: device, size, quotaBytes: undefined, ...options }),
  );
  return { state, data: data.locator, map: map.locator };
}

/** Makes durable what was acknowledged; no worker has it open. @throws BlockError */
export async function settleNode(
  ports: RepositoryPorts,
  node: Pick<VolumeNode, 'data' | 'map' | 'size'>,
  bootId: string,
): Promise<void> {
  const { data, map: mapVolume, size } = node;
  await withVolume(ports, data, { write: true }, async (device) => {
    if (mapVolume === undefined) {
      if (device.capabilities.flush) await device.flush();
      return;
    }
    await withVolume(ports, mapVolume, { write: true }, (map) =>
      settleOverlay({ map, data: device, size, bootId, journalled: 0 }),
    );
  });
}
