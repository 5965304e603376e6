/**
 * A disk as a qcow2 image (qcow2-tables.ts). Relative to a base it holds the clusters that differ, and names no backing
 * file: whoever asked knows what it stands on. What is zeroes above the data of the base is there as a cluster of zeroes,
 * because Xen Orchestra takes what has no cluster for unchanged.
 */
import { QCOW2_CLUSTER_BYTES } from '../../vdisk/index.ts';
import type { BlockSet } from './block-set.ts';
import { diskWindows } from './disk-windows.ts';
import type { ExportJob, ImageStream } from './export-source.ts';
import { qcow2Image } from './qcow2-tables.ts';
import { blocksToSend } from './survey.ts';

/** @throws BlockError, Fault CANCELLED */
export async function exportQcow2(job: ExportJob): Promise<ImageStream> {
  const blocks = await blocksToSend(job, QCOW2_CLUSTER_BYTES);
  const { length, tables } = qcow2Image(job.disk.device.geometry.size, blocks);
  return { length, pieces: qcow2Pieces(job, blocks, tables) };
}

async function* qcow2Pieces(
  { disk, pace }: ExportJob,
  blocks: BlockSet,
  tables: Iterable<Buffer>,
): AsyncGenerator<Buffer> {
  const { size } = disk.device.geometry;
  for (const table of tables) {
    yield table;
    await pace.spend(table.length);
  }
  for await (const { offset, bytes } of diskWindows(disk.device, blocks)) {
    pace.reach(size + offset, 2 * size);
    await pace.spend(bytes.length);
    const first = offset / QCOW2_CLUSTER_BYTES;
    const end = Math.min(blocks.count, first + bytes.length / QCOW2_CLUSTER_BYTES);
    for (let block = blocks.next(first, end); block < end; ) {
      let stop = block + 1;
      while (stop < end && blocks.has(stop)) stop += 1;
      yield bytes.subarray(
        (block - first) * QCOW2_CLUSTER_BYTES,
        (stop - first) * QCOW2_CLUSTER_BYTES,
      );
      block = blocks.next(stop, end);
    }
  }
}
