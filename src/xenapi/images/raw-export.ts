/** The disk, from its first byte to its last. */
import { ZEROES } from '../../block/index.ts';
import { BlockSet } from './block-set.ts';
import { diskWindows } from './disk-windows.ts';
import type { ExportJob, ImageStream } from './export-source.ts';
import { EXPORT_WINDOW_BYTES } from './limits.ts';
import { addData } from './survey.ts';

export function exportRaw(job: ExportJob): ImageStream {
  return { length: job.disk.device.geometry.size, pieces: rawPieces(job) };
}

async function* rawPieces(job: ExportJob): AsyncGenerator<Buffer> {
  const { disk, pace } = job;
  const { size } = disk.device.geometry;
  const blocks = new BlockSet(size, EXPORT_WINDOW_BYTES);
  await addData(disk.device, blocks, pace);
  let at = 0;
  for await (const { offset, bytes } of diskWindows(disk.device, blocks)) {
    yield* zeroes(job, at, offset);
    at = Math.min(size, offset + bytes.length);
    pace.reach(at, size);
    await pace.spend(bytes.length);
    yield bytes.subarray(0, at - offset);
  }
  yield* zeroes(job, at, size);
}

async function* zeroes({ disk, pace }: ExportJob, start: number, end: number) {
  for (let at = start; at < end; ) {
    const piece = ZEROES.subarray(0, Math.min(ZEROES.length, end - at));
    at += piece.length;
    pace.reach(at, disk.device.geometry.size);
    await pace.spend(piece.length);
    yield piece;
  }
}
