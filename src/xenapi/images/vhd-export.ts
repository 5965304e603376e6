/**
 * A disk as a VHD: dynamic, or differencing above its base.
 *
 * Laid out as Xen Orchestra reads it: from front to back, the table before the blocks, the blocks in the order of the
 * file. It looks at no sector bitmap: every block that is there is there whole, with all of its sectors, also in a
 * differencing disk.
 */
import { VHD_BITMAP_BYTES, VHD_BLOCK_BYTES, VhdLayout } from '../../vdisk/index.ts';
import type { BlockSet } from './block-set.ts';
import { diskWindows } from './disk-windows.ts';
import type { ExportJob, ImageDisk, ImageStream } from './export-source.ts';
import { blocksToSend } from './survey.ts';

const ALL_SECTORS = Buffer.alloc(VHD_BITMAP_BYTES, 0xff);

/** @throws BlockError, Fault CANCELLED */
export async function exportVhd(job: ExportJob): Promise<ImageStream> {
  const { disk, base, pace } = job;
  const { size } = disk.device.geometry;
  const blocks = await blocksToSend(job, VHD_BLOCK_BYTES);
  const layout = new VhdLayout({
    size,
    contentId: idOf(disk),
    timestamp: undefined,
    parent:
      base === undefined
        ? undefined
        : { source: { contentId: idOf(base) }, fileName: `${base.uuid}.vhd` },
  });
  for (let block = blocks.next(0); block < blocks.count; block = blocks.next(block + 1)) {
    layout.place(block * VHD_BLOCK_BYTES);
    await pace.spend(VHD_BITMAP_BYTES);
  }
  return { length: layout.length, pieces: vhdPieces(job, blocks, layout) };
}

async function* vhdPieces(
  { disk, pace }: ExportJob,
  blocks: BlockSet,
  layout: VhdLayout,
): AsyncGenerator<Buffer> {
  const { size } = disk.device.geometry;
  yield layout.head();
  for await (const { offset, bytes } of diskWindows(disk.device, blocks)) {
    pace.reach(size + offset, 2 * size);
    await pace.spend(bytes.length);
    yield ALL_SECTORS;
    yield bytes;
  }
  yield layout.footer();
}

function idOf({ uuid }: ImageDisk): string {
  return uuid.replaceAll('-', '').toLowerCase();
}
