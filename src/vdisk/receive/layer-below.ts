/** What a received layer stands on: one that was here, or one that is being received as well. */
import type { VolumeData } from '../../repositories/index.ts';
import type { ReadableVersion } from '../bundle/index.ts';
import {
  type LayerChain,
  type LayeredDisk,
  layerFiles,
  openLayerChain,
  readAll,
} from '../layers/index.ts';
import { CHUNK_BYTES, chunkLength } from '../manifest/index.ts';

export interface LayerBelow extends ReadableVersion {
  /** Bytes of the disk. */
  readonly size: number;
  /** The layer and all that it stands on. Of one that is being received: when it has finished. */
  chain(): LayerChain;
}

/** A layer that was here before. Whoever makes it keeps the layer from being removed, and closes it. */
export class ExistingLayer implements LayerBelow {
  readonly layerId: string;
  readonly size: number;
  readonly manifestPath: string;
  readonly #chain: LayerChain;
  readonly #parts: { readonly layersFolder: string; readonly volumeData: VolumeData };
  #disk: Promise<LayeredDisk> | undefined;

  /** @param chain ends with the layer */
  constructor(
    chain: LayerChain,
    parts: { readonly layersFolder: string; readonly volumeData: VolumeData },
  ) {
    const top = chain.at(-1) ?? chain[0];
    this.layerId = top.layerId;
    this.size = top.size;
    this.manifestPath = layerFiles(parts.layersFolder, top.layerId).manifest;
    this.#chain = chain;
    this.#parts = parts;
  }

  chain(): LayerChain {
    return this.#chain;
  }

  /** The disk is opened when the first one is read. */
  async readChunk(chunk: number): Promise<Buffer> {
    this.#disk ??= openLayerChain(this.#chain, this.#parts);
    const { device } = await this.#disk;
    const bytes = Buffer.allocUnsafeSlow(chunkLength(this.size, chunk));
    await readAll(device, bytes, chunk * CHUNK_BYTES);
    return bytes;
  }

  async close(): Promise<void> {
    const opening = this.#disk;
    this.#disk = undefined;
    const disk = await opening?.catch(() => undefined);
    await disk?.close();
  }
}
