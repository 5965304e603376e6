/** The shared image: known content (load/content.ts) that no server can compress or find zeroes in. */
import { closeSync, ftruncateSync, openSync, writeSync } from 'node:fs';
import { BLOCK, fillBlock, IMAGE_AUTHOR } from './load/content.ts';
import { type TraceRequest, traceBlocks, traceDiskBytes } from './trace.ts';

const CHUNK_BLOCKS = 1024;

/** Writes runs of neighbouring blocks with one call each. @param blocks in ascending order */
function writeBlocks(file: number, blocks: Iterable<number>): void {
  const chunk = Buffer.allocUnsafe(CHUNK_BLOCKS * BLOCK);
  let first = 0;
  let count = 0;
  const flush = (): void => {
    if (count > 0) writeSync(file, chunk, 0, count * BLOCK, first * BLOCK);
    count = 0;
  };
  for (const block of blocks) {
    if (count === CHUNK_BLOCKS || block !== first + count) flush();
    if (count === 0) first = block;
    fillBlock(chunk, count * BLOCK, IMAGE_AUTHOR, 0, block);
    count += 1;
  }
  flush();
}

function write(path: string, bytes: number, blocks: Iterable<number>): void {
  const file = openSync(path, 'wx');
  try {
    ftruncateSync(file, bytes);
    writeBlocks(file, blocks);
  } finally {
    closeSync(file);
  }
}

export function* blocksOf(bytes: number): Generator<number> {
  for (let block = 0; block < bytes / BLOCK; block += 1) yield block;
}

/** An image whose every block is written. @param bytes a multiple of 4 KiB */
export function writeImage(path: string, bytes: number): void {
  write(path, bytes, blocksOf(bytes));
}

/** An image as large as the trace needs; only what the trace touches is written, the rest are holes. */
export function writeTraceImage(path: string, trace: readonly TraceRequest[]): void {
  write(path, traceDiskBytes(trace), traceBlocks(trace));
}
