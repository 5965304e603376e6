/** Chunks that a receiver has in other layers already: looked for only when a bundle lacks one. */
import type { Catalog } from '../../control/index.ts';
import type { ChainReaders } from './chain-readers.ts';
import { ChunkIndex, type ChunkIndexParts } from './chunk-index.ts';
import { LOCAL_MANIFEST_BYTES_MAX } from './limits.ts';

export class LocalChunks {
  readonly #parts: ChunkIndexParts & { readonly catalog: Catalog };
  readonly #readers: ChainReaders;
  readonly #signal: AbortSignal;
  #index: Promise<ChunkIndex> | undefined;
  /** Most likely to have what is looked for. */
  first: readonly string[] = [];

  constructor(
    parts: ChunkIndexParts & { readonly catalog: Catalog },
    readers: ChainReaders,
    signal: AbortSignal,
  ) {
    this.#parts = parts;
    this.#readers = readers;
    this.#signal = signal;
  }

  async has(hash: Buffer): Promise<boolean> {
    return (await this.#made()).has(hash);
  }

  /** The bytes are not checked. */
  async read(hash: Buffer): Promise<Buffer | undefined> {
    const place = await (await this.#made()).find(hash);
    return place === undefined ? undefined : this.#readers.read(place.layer, place.chunk);
  }

  async close(): Promise<void> {
    await (await this.#index?.catch(() => undefined))?.close();
  }

  #made(): Promise<ChunkIndex> {
    this.#index ??= ChunkIndex.make(
      this.#parts,
      this.#wanted(),
      LOCAL_MANIFEST_BYTES_MAX,
      this.#signal,
    );
    return this.#index;
  }

  /** Nearly all of a layer is in those above it: these come first, the newest before the others. */
  #wanted(): ReadonlySet<string> {
    const layers = this.#parts.catalog.layers.all().toReversed();
    const below = new Set(layers.map(({ parentId }) => parentId));
    const tops = layers.filter(({ id }) => !below.has(id));
    return new Set([...this.first, ...tops.map(({ id }) => id), ...layers.map(({ id }) => id)]);
  }
}
