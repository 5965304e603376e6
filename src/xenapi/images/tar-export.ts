/** A disk as files of a tar (tar-import.ts says how): what is not all zeroes, and always the first and the last block. */
import { ZEROES } from '../../block/index.ts';
import { isZero } from '../../vdisk/index.ts';
import { BlockSet } from './block-set.ts';
import { diskWindows } from './disk-windows.ts';
import type { ExportJob, ImageStream } from './export-source.ts';
import { TAR_BLOCK_BYTES, TAR_SILENCE_MS } from './limits.ts';
import { addData } from './survey.ts';
import { TAR_SECTOR_BYTES, tarHeader, tarPadding } from './tar-header.ts';
import { xxh64 } from './xxh64.ts';

export function exportTar(job: ExportJob): ImageStream {
  return { length: undefined, pieces: tarPieces(job) };
}

async function* tarPieces({ disk, pace, now }: ExportJob): AsyncGenerator<Buffer> {
  const { size } = disk.device.geometry;
  const blocks = new BlockSet(size, TAR_BLOCK_BYTES);
  await addData(disk.device, blocks, pace);
  const last = blocks.count - 1;
  blocks.add(0);
  blocks.add(last);
  /** Empty files take numbers of their own. */
  let empty = 0;
  let heard = now();
  for await (const { offset, bytes } of diskWindows(disk.device, blocks)) {
    pace.reach(offset, size);
    await pace.spend(bytes.length);
    for (let at = 0; at < bytes.length && offset + at < size; at += TAR_BLOCK_BYTES) {
      const number = (offset + at) / TAR_BLOCK_BYTES;
      const block = bytes.subarray(at, Math.min(at + TAR_BLOCK_BYTES, size - offset));
      if (number === 0 || number === last || !isZero(block, 0, block.length)) {
        yield* file(number + empty, block);
        heard = now();
      } else if (now() - heard >= TAR_SILENCE_MS) {
        yield* file(number + empty, Buffer.alloc(0));
        empty += 1;
        heard = now();
      }
    }
  }
  // "At the end of the archive file there shall be two 512-byte blocks filled with binary zeros".
  yield ZEROES.subarray(0, 2 * TAR_SECTOR_BYTES);
}

function* file(number: number, block: Buffer): Generator<Buffer> {
  const name = `vdi/${String(number).padStart(8, '0')}`;
  yield tarHeader(name, block.length);
  if (block.length > 0) yield block;
  yield ZEROES.subarray(0, tarPadding(block.length));
  const hash = Buffer.from(xxh64(block), 'latin1');
  yield tarHeader(`${name}.xxhash`, hash.length);
  yield hash;
  yield ZEROES.subarray(0, tarPadding(hash.length));
}
