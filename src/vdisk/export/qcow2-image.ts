/**
 * A disk as a qcow2 image: version 3, clusters of 64 KiB, without a backing file.
 *
 * A file is made in one pass. A stream begins with the level-1 table, which needs to know how long
 * everything will be:
 * - compressed, that takes a pass of its own, which compresses everything and keeps no more than the
 *   level-1 table. The same library gives the same bytes the second time, and it is checked;
 * - plain, the map of present chunks is enough and the first byte leaves at once. Chunks that the map
 *   calls present and that are all zeroes (a manifest of ours has none) leave a free cluster in the file.
 */
import {
  keptPromises,
  packedClusters,
  plainClusters,
  promisedClusters,
} from './cluster-packing.ts';
import { type DiskWindow, readAhead, readWindow, windowsWith } from './disk-windows.ts';
import type { ExportSource } from './export-request.ts';
import type { ImageBody, ImagePlan } from './image-body.ts';
import { EXPORT_WINDOW_BYTES } from './limits.ts';
import type { Pass } from './pass.ts';
import type { DiskCluster } from './qcow2-cluster.ts';
import { Qcow2Layout } from './qcow2-layout.ts';

type Packing = (
  chunks: Uint8Array,
  window: DiskWindow,
) => readonly DiskCluster[] | Promise<readonly DiskCluster[]>;

/** The image as it is found in one pass over the disk. */
export function qcow2Body(source: ExportSource, compress: boolean, pass: Pass): ImageBody {
  return compress
    ? new Qcow2Body(source, new Qcow2Layout(source.size, 'zstd'), packedClusters, pass)
    : new Qcow2Body(source, new Qcow2Layout(source.size, 'none'), plainClusters, pass);
}

/** Reads and compresses the whole disk. @param passes the first one and those for the body */
export async function planCompressed(
  source: ExportSource,
  passes: { readonly plan: Pass; readonly body: Pass },
): Promise<ImagePlan> {
  const body = qcow2Body(source, true, passes.plan);
  let length = body.headBytes;
  for await (const piece of body.pieces()) length += piece.length;
  return { head: body.head(), length, body: () => qcow2Body(source, true, passes.body) };
}

/** Reads nothing of the disk. */
export async function planPlain(
  source: ExportSource,
  passes: { readonly plan: Pass; readonly body: Pass },
): Promise<ImagePlan> {
  const { size, presentChunks } = source;
  const layout = new Qcow2Layout(size, 'none');
  for await (const offset of windowsWith(presentChunks, size, passes.plan)) {
    const end = Math.min(offset + EXPORT_WINDOW_BYTES, size);
    layout.append(promisedClusters(presentChunks, offset, end));
    await passes.plan.spend(EXPORT_WINDOW_BYTES);
  }
  layout.finish();
  const body = (): ImageBody =>
    new Qcow2Body(source, new Qcow2Layout(size, 'none'), keptPromises, passes.body);
  return { head: layout.head(), length: layout.length, body };
}

class Qcow2Body implements ImageBody {
  readonly headBytes: number;
  readonly #source: ExportSource;
  readonly #layout: Qcow2Layout;
  readonly #pack: Packing;
  readonly #pass: Pass;

  constructor(source: ExportSource, layout: Qcow2Layout, pack: Packing, pass: Pass) {
    this.#source = source;
    this.#layout = layout;
    this.headBytes = layout.headBytes;
    this.#pack = pack;
    this.#pass = pass;
  }

  async *pieces(): AsyncGenerator<Buffer, void> {
    const { presentChunks, size } = this.#source;
    const offsets = windowsWith(presentChunks, size, this.#pass);
    const load = (offset: number) => readWindow(this.#source, presentChunks, offset);
    for await (const window of readAhead(offsets, load)) {
      const clusters = await this.#pack(presentChunks, window);
      const pieces = this.#layout.append(clusters);
      await this.#pass.step(window.end, window.bytes.length);
      if (pieces.length > 0) yield Buffer.concat(pieces);
    }
    yield Buffer.concat(this.#layout.finish());
    await this.#pass.step(size, 0);
  }

  head(): Buffer {
    return this.#layout.head();
  }
}
