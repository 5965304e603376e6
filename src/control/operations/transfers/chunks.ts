/** What another server needs to know of this one, and the chunks that it asks for. */
import { isSealed, type LayerRecord } from '../../catalog/records.ts';
import type { Control } from '../../control.ts';
import { MAX_CONTENT_IDS } from '../../limits.ts';
import type { InventoryView } from '../../schemas/transfer.ts';
import type { OutgoingStream } from '../../transfer-port.ts';
import { outgoingBundle } from './outgoing-bundle.ts';

export function showInventory(control: Control): InventoryView {
  return { contentIds: [...contentsHere(control)].toSorted() };
}

/**
 * The contents of versions that are here, as far as nothing of them is known to be damaged.
 * @param first a vDisk whose versions are told in any case: there may be too many for a list
 */
export function contentsHere(control: Control, first?: string): ReadonlySet<string> {
  const { catalog } = control;
  const layers = new Map(catalog.layers.all().map((layer) => [layer.id, layer]));
  const byVdisk = catalog.versions.allByVdisk();
  const firstId = first === undefined ? undefined : catalog.vdisks.byName(first)?.id;
  const found = new Set<string>();
  for (const version of [...(byVdisk.get(firstId ?? '') ?? []), ...[...byVdisk.values()].flat()]) {
    if (found.size >= MAX_CONTENT_IDS) break;
    if (!isSealed(version) || version.state === 'deleting') continue;
    if (isWhole(layers, version.layerId)) found.add(version.contentId);
  }
  return found;
}

/** No layer that it stands on was found damaged. */
function isWhole(layers: ReadonlyMap<string, LayerRecord>, layerId: string): boolean {
  for (let layer = layers.get(layerId); layer !== undefined; ) {
    if (layer.damagedChunks > 0) return false;
    layer = layer.parentId === undefined ? undefined : layers.get(layer.parentId);
  }
  return true;
}

/**
 * Chunks of versions of a vDisk; whoever gets them closes the stream.
 * @param request as it came (docs/BUNDLE.md)
 * @throws Fault NOT_FOUND, IN_USE, INVALID_INPUT
 */
export function openChunks(
  control: Control,
  vdiskName: string,
  versions: readonly number[] | undefined,
  request: Buffer,
  signal: AbortSignal,
): Promise<OutgoingStream> {
  const selection = { versions, has: [], chunks: 'none' } as const;
  const bundle = outgoingBundle(control, vdiskName, selection);
  const layerIds = bundle.versions.map(({ layerId }) => layerId);
  return control.transfers.chunkStream(request, layerIds, signal);
}
