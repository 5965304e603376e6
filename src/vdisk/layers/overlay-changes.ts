/** What an overlay has changed, told before it is sealed. Changes nothing. */
import { diskOfDevice, type Partition, readPartitions } from '../boot-files/index.ts';
import { DifferenceMap } from '../chain/index.ts';
import { countChunks } from '../manifest/index.ts';
import { readOverlayMap } from '../overlay/index.ts';
import { decidedBytes, surveyDifference } from './difference-survey.ts';
import { type LayerChain, openLayeredDisk, readChainMaps } from './layer-chain.ts';
import type { LayerWork } from './layer-work.ts';
import type { ClosedOverlay } from './seal-overlay.ts';
import { asLayerWork } from './storage-fault.ts';

export interface OverlayChanges {
  /** Of the disk, in bytes. */
  readonly size: number;
  /** Bytes of blocks that were written. */
  readonly ownedBytes: number;
  /** Bytes of blocks that were zeroed or trimmed, and not written since. */
  readonly zeroedBytes: number;
  /** Chunks of 64 KiB with such blocks. */
  readonly changedChunks: number;
  /** Chunks in which the disk, with the changes, may hold data. */
  readonly presentChunks: number;
  /** As the disk's table has them now; none: it has no table. */
  readonly partitions: readonly PartitionChanges[];
}

export interface PartitionChanges {
  /** As Linux numbers it. */
  readonly number: number;
  /** `p1`, `p2` … */
  readonly name: string;
  /** Bytes from the start of the disk. */
  readonly start: number;
  /** Bytes. */
  readonly size: number;
  /** Bytes of it that were written, zeroed or trimmed, in blocks of 4 KiB. */
  readonly changedBytes: number;
}

/**
 * @param overlay nobody has open
 * @param parent what it stands on
 * @throws Fault as sealOverlay
 */
export async function overlayChanges(
  overlay: ClosedOverlay,
  parent: LayerChain,
  work: Pick<LayerWork, 'layersFolder' | 'volumeData' | 'signal'>,
): Promise<OverlayChanges> {
  const { size, bootId } = overlay;
  return asLayerWork('looking for changes', work.signal, async () => {
    const map = await work.volumeData.open(overlay.map, { write: false });
    const bits = await readOverlayMap({ map, size, bootId }).finally(() => map.close());
    const difference = new DifferenceMap({ size, ...bits });
    const maps = await readChainMaps(parent, work.layersFolder);
    const disk = await openLayeredDisk(
      { size, base: maps.base, differences: [...maps.differences, { size, ...bits }] },
      [...parent, { layerId: 'the overlay', volume: overlay.data }],
      work.volumeData,
    );
    try {
      const survey = await surveyDifference(difference, size);
      return {
        size,
        ownedBytes: survey.ownedBytes,
        zeroedBytes: survey.zeroedBytes,
        changedChunks: survey.touchedChunks,
        presentChunks: countChunks(disk.presentChunks),
        partitions: await byPartition(difference, await readPartitions(diskOfDevice(disk.device))),
      };
    } finally {
      await disk.close();
    }
  });
}

async function byPartition(
  difference: DifferenceMap,
  partitions: readonly Partition[],
): Promise<readonly PartitionChanges[]> {
  const found: PartitionChanges[] = [];
  for (const { number, offset: start, size } of partitions) {
    const changedBytes = await decidedBytes(difference, start, start + size);
    found.push({ number, name: `p${number}`, start, size, changedBytes });
  }
  return found;
}
