import { chain, isPromise, type MaybePromise } from '../base/index.ts';
import type { Capabilities, Extent, Geometry, Loan, ReadableBlockDevice } from '../block/index.ts';
import { BlockError } from '../errors/index.ts';

/**
 * A layer's volume that is opened when it is first read: of the thousands below a disk with a snapshot for
 * every hour few hold anything that is still read, and each open one costs a file or a session.
 */
export class LazyVolume implements ReadableBlockDevice {
  readonly geometry: Geometry;
  readonly capabilities: Capabilities;
  readonly #open: () => Promise<ReadableBlockDevice>;
  #opening: Promise<ReadableBlockDevice> | undefined;
  #volume: ReadableBlockDevice | undefined;
  #closed = false;

  /**
   * @param like what is known before it is open: another volume of the same repository
   * @param size that it has at least, in bytes
   */
  constructor(like: ReadableBlockDevice, size: number, open: () => Promise<ReadableBlockDevice>) {
    this.geometry = Object.freeze({ ...like.geometry, size });
    this.capabilities = like.capabilities;
    this.#open = open;
  }

  read(target: Buffer, offset: number): MaybePromise<void> {
    return this.#use((volume) => volume.read(target, offset));
  }

  lend(): Loan | undefined {
    return undefined;
  }

  cache(offset: number, length: number): MaybePromise<void> {
    return this.#use((volume) => volume.cache(offset, length));
  }

  extents(offset: number, length: number, limit: number): MaybePromise<Extent[]> {
    return this.#use((volume) => volume.extents(offset, length, limit));
  }

  async close(): Promise<void> {
    this.#closed = true;
    const volume = await this.#opening?.catch(() => undefined);
    await volume?.close();
  }

  #use<T>(call: (volume: ReadableBlockDevice) => MaybePromise<T>): MaybePromise<T> {
    if (this.#volume !== undefined) return call(this.#volume);
    if (this.#closed) throw new BlockError('ESHUTDOWN', 'read', 0, 0, 'the device is closed');
    this.#opening ??= this.#begin();
    const result = chain(this.#opening, call);
    return isPromise(result) ? result : Promise.resolve(result);
  }

  async #begin(): Promise<ReadableBlockDevice> {
    try {
      const volume = await this.#open();
      try {
        this.#check(volume.geometry);
      } catch (error) {
        await volume.close();
        throw error;
      }
      this.#volume = volume;
      return volume;
    } catch (error) {
      // The next read tries again.
      this.#opening = undefined;
      throw error;
    }
  }

  #check({ size, minimumIo, maximumIo }: Geometry): void {
    const { geometry } = this;
    const fits =
      size >= geometry.size && minimumIo <= geometry.minimumIo && maximumIo >= geometry.maximumIo;
    if (fits) return;
    const detail = `a layer's volume of ${size} bytes in units of ${minimumIo} to ${maximumIo}, unlike its neighbours`;
    throw new BlockError('EIO', 'open', 0, geometry.size, detail);
  }
}
