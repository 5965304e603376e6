/**
 * Chunks that another server asks for, request after request. To know where they are, the manifests of the
 * versions are gone through once; that is kept for a while, as it is the same for the next request.
 */
import type { OutgoingStream } from '../../control/index.ts';
import { readChunkRequest, writeChunks } from '../../vdisk/index.ts';
import { type ChainReaderParts, ChainReaders } from './chain-readers.ts';
import { ChunkIndex, type ChunkIndexParts } from './chunk-index.ts';
import { CHAINS_IDLE_MS, CHUNK_INDEX_IDLE_MS, CHUNK_INDICES_KEPT } from './limits.ts';

interface KeptIndex {
  readonly index: Promise<ChunkIndex>;
  readonly readers: ChainReaders;
  users: number;
  timers: readonly NodeJS.Timeout[];
}

export class ChunkServer {
  readonly #parts: ChunkIndexParts & ChainReaderParts;
  /** By the layers that it is of, the one used longest ago first. */
  readonly #kept = new Map<string, KeptIndex>();

  constructor(parts: ChunkIndexParts & ChainReaderParts) {
    this.#parts = parts;
  }

  /** @throws Fault INVALID_INPUT, CANCELLED */
  async stream(
    request: Buffer,
    layerIds: readonly string[],
    signal: AbortSignal,
  ): Promise<OutgoingStream> {
    const hashes = readChunkRequest(request);
    const kept = this.#indexOf(layerIds);
    kept.users += 1;
    let isOpen = true;
    const close = async (): Promise<void> => {
      if (!isOpen) return;
      isOpen = false;
      kept.users -= 1;
      if (kept.users === 0) this.#idle(kept);
    };
    const read = async (hash: Buffer): Promise<Buffer | undefined> => {
      const place = await (await kept.index).find(hash);
      return place === undefined ? undefined : kept.readers.read(place.layer, place.chunk);
    };
    try {
      await kept.index;
      return { length: undefined, pieces: writeChunks(read, hashes, { signal }), close };
    } catch (error) {
      await close();
      throw error;
    }
  }

  /** Nobody asks any more. */
  async close(): Promise<void> {
    for (const key of this.#kept.keys()) await this.#drop(key);
  }

  #indexOf(layerIds: readonly string[]): KeptIndex {
    const { layers } = this.#parts;
    const key = layerIds
      .map((id) => layers.resolve(id))
      .toSorted()
      .join();
    const known = this.#kept.get(key);
    if (known !== undefined) {
      for (const timer of known.timers) clearTimeout(timer);
      this.#kept.delete(key);
      this.#kept.set(key, known);
      return known;
    }
    const index = ChunkIndex.make(this.#parts, layerIds, Number.POSITIVE_INFINITY);
    const kept = { index, readers: new ChainReaders(this.#parts), users: 0, timers: [] };
    this.#kept.set(key, kept);
    // One that could not be made is of no use to the next one.
    index.catch(() => this.#kept.delete(key));
    for (const [old, { users }] of this.#kept) {
      if (this.#kept.size <= CHUNK_INDICES_KEPT) break;
      if (users === 0 && old !== key) void this.#drop(old);
    }
    return kept;
  }

  #idle(kept: KeptIndex): void {
    const later = (work: () => Promise<void>, ms: number): NodeJS.Timeout =>
      setTimeout(() => void work().catch(() => undefined), ms).unref();
    const key = [...this.#kept].find(([, one]) => one === kept)?.[0];
    kept.timers = [
      later(() => kept.readers.close(), CHAINS_IDLE_MS),
      later(async () => {
        if (key !== undefined && this.#kept.get(key) === kept) await this.#drop(key);
      }, CHUNK_INDEX_IDLE_MS),
    ];
  }

  async #drop(key: string): Promise<void> {
    const kept = this.#kept.get(key);
    this.#kept.delete(key);
    if (kept === undefined) return;
    for (const timer of kept.timers) clearTimeout(timer);
    await kept.readers.close();
    await (await kept.index.catch(() => undefined))?.close();
  }
}
