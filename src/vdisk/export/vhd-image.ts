/**
 * A disk as a VHD: dynamic, or differencing above another disk.
 *
 * A file is made in one pass. A stream begins with the table of the blocks that there will be: a first
 * pass finds out which, and of each it reads no further than to the first chunk that is not zero, or
 * not the parent's. A manifest's chunks hold data, so that this is 1/32 of a dynamic disk's data.
 */

import { CHUNK_BYTES } from '../manifest/index.ts';
import { readAhead, windowsWith } from './disk-windows.ts';
import type { ExportParent, ExportSource } from './export-request.ts';
import type { ImageBody, ImagePlan } from './image-body.ts';
import { EXPORT_WINDOW_BYTES } from './limits.ts';
import type { Pass } from './pass.ts';
import { candidateChunks, hasBlock, readBlock } from './vhd-blocks.ts';
import { VhdLayout } from './vhd-layout.ts';

export interface VhdRequest {
  readonly source: ExportSource;
  readonly parent: ExportParent | undefined;
  readonly timestamp: Date | undefined;
}

/** The image as it is found in one pass over the disk, or over both disks. */
export function vhdBody(request: VhdRequest, pass: Pass): ImageBody {
  return new VhdBody(request, candidateChunks(request.source, request.parent), pass);
}

export async function planVhd(
  request: VhdRequest,
  passes: { readonly plan: Pass; readonly body: Pass },
): Promise<ImagePlan> {
  const { source, parent } = request;
  const candidates = candidateChunks(source, parent);
  const chosen = new Uint8Array(candidates.length);
  const layout = new VhdLayout(identityOf(request));
  for await (const offset of windowsWith(candidates, source.size, passes.plan)) {
    const end = Math.min(offset + EXPORT_WINDOW_BYTES, source.size);
    if (await hasBlock(source, parent, candidates, offset)) {
      layout.place(offset);
      copyWindow(candidates, chosen, offset);
    }
    await passes.plan.step(end, EXPORT_WINDOW_BYTES);
  }
  const body = (): ImageBody => new VhdBody(request, chosen, passes.body);
  return { head: layout.head(), length: layout.length, body };
}

class VhdBody implements ImageBody {
  readonly headBytes: number;
  readonly #request: VhdRequest;
  readonly #candidates: Uint8Array;
  readonly #pass: Pass;
  readonly #layout: VhdLayout;

  constructor(request: VhdRequest, candidates: Uint8Array, pass: Pass) {
    this.#request = request;
    this.#candidates = candidates;
    this.#pass = pass;
    this.#layout = new VhdLayout(identityOf(request));
    this.headBytes = this.#layout.headBytes;
  }

  async *pieces(): AsyncGenerator<Buffer, void> {
    const { source, parent } = this.#request;
    const offsets = windowsWith(this.#candidates, source.size, this.#pass);
    const load = (offset: number) => readBlock(source, parent, this.#candidates, offset);
    for await (const { offset, end, block } of readAhead(offsets, load)) {
      await this.#pass.step(end, EXPORT_WINDOW_BYTES);
      if (block === undefined) continue;
      this.#layout.place(offset);
      yield block.bitmap;
      yield block.bytes;
    }
    yield this.#layout.footer();
    await this.#pass.step(source.size, 0);
  }

  head(): Buffer {
    return this.#layout.head();
  }
}

function identityOf({ source, parent, timestamp }: VhdRequest) {
  return { size: source.size, contentId: source.contentId, parent, timestamp };
}

/** The bits of one window: whole bytes. */
function copyWindow(from: Uint8Array, to: Uint8Array, offset: number): void {
  const first = chunkByte(offset);
  to.set(from.subarray(first, first + chunkByte(EXPORT_WINDOW_BYTES)), first);
}

/** Bytes of a bitmap of chunks for so many bytes of the disk. */
function chunkByte(bytes: number): number {
  return bytes / CHUNK_BYTES / 8;
}
