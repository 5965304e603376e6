import type { MaybePromise } from '../base/index.ts';
import type { Capabilities, Extent, Geometry, Loan, ReadableBlockDevice } from './block-device.ts';
import { Gate } from './gate.ts';
import { MAXIMUM_IO_BYTES } from './limits.ts';
import type { BlockLayers, ReadCache } from './read-cache.ts';

/**
 * Reads of something sealed through the shared read cache, any range at any alignment. Several
 * devices over copies of one layer share its blocks.
 */
export class CachedDevice implements ReadableBlockDevice {
  readonly geometry: Geometry;
  readonly capabilities: Capabilities;
  readonly #inner: ReadableBlockDevice;
  readonly #cache: ReadCache;
  readonly #layers: number | BlockLayers;
  readonly #gate = new Gate();

  /**
   * @param layers names the bytes: the same name must always mean the same content; or says for each
   * block what it is cached under
   */
  constructor(inner: ReadableBlockDevice, cache: ReadCache, layers: string | BlockLayers) {
    this.#inner = inner;
    this.#cache = cache;
    this.#layers = typeof layers === 'string' ? cache.layer(layers) : layers;
    this.geometry = Object.freeze({
      ...inner.geometry,
      minimumIo: 1,
      maximumIo: MAXIMUM_IO_BYTES,
    });
    this.capabilities = Object.freeze({ ...inner.capabilities, cache: true });
  }

  read(target: Buffer, offset: number): MaybePromise<void> {
    this.#gate.check('read', offset, target.length);
    return this.#gate.track(this.#cache.read(this.#layers, this.#inner, target, offset));
  }

  lend(offset: number, length: number): Loan | undefined {
    this.#gate.check('read', offset, length);
    return this.#cache.lend(this.#layers, offset, length);
  }

  cache(offset: number, length: number): MaybePromise<void> {
    this.#gate.check('cache', offset, length);
    return this.#gate.track(this.#cache.warm(this.#layers, this.#inner, offset, length));
  }

  extents(offset: number, length: number, limit: number): MaybePromise<Extent[]> {
    this.#gate.check('extents', offset, length);
    return this.#gate.track(this.#inner.extents(offset, length, limit));
  }

  close(): Promise<void> {
    return this.#gate.close(() => this.#inner.close());
  }
}
