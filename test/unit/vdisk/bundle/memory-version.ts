/** A version in memory: a base or a difference, chunk by chunk, and its manifest as a file. */
import { type BlockDevice, MemoryDevice, PLAIN } from '../../../../src/block/index.ts';
import type { VersionSink } from '../../../../src/vdisk/bundle/index.ts';
import {
  CHUNK_BYTES,
  ContentId,
  chunkLength,
  ManifestWriter,
} from '../../../../src/vdisk/manifest/index.ts';
import { sha } from './chunk-colours.ts';

export class MemoryVersion implements VersionSink {
  readonly manifestPath: string;
  readonly size: number;
  readonly parent: MemoryVersion | undefined;
  /** What it has itself; undefined: a chunk that the parent has, and it has not. */
  readonly own = new Map<number, Buffer | undefined>();
  readonly bootFiles = new Map<string, Buffer>();
  state: 'open' | 'finished' | 'abandoned' = 'open';
  readonly #readBootFile: (path: string) => Promise<Buffer>;

  constructor(
    size: number,
    parent: MemoryVersion | undefined,
    manifestPath: string,
    readBootFile: (path: string) => Promise<Buffer> = async () => Buffer.alloc(0),
  ) {
    this.size = size;
    this.parent = parent;
    this.manifestPath = manifestPath;
    this.#readBootFile = readBootFile;
  }

  /** The chunks that hold data, in order. */
  present(): readonly number[] {
    const below = this.parent?.present() ?? [];
    const all = new Set([...below, ...this.own.keys()]);
    const end = Math.ceil(this.size / CHUNK_BYTES);
    return [...all]
      .filter((chunk) => chunk < end && (!this.own.has(chunk) || this.own.get(chunk) !== undefined))
      .sort((a, b) => a - b);
  }

  /** Beyond the end of the parent there is nothing. */
  bytesOf(chunk: number): Buffer {
    const length = chunkLength(this.size, chunk);
    if (this.own.has(chunk)) return this.own.get(chunk) ?? Buffer.alloc(length);
    if (this.parent === undefined || chunk * CHUNK_BYTES >= this.parent.size) {
      return Buffer.alloc(length);
    }
    const bytes = this.parent.bytesOf(chunk);
    if (bytes.length === length) return bytes;
    return Buffer.concat([bytes, Buffer.alloc(CHUNK_BYTES)]).subarray(0, length);
  }

  async readChunk(chunk: number): Promise<Buffer> {
    return this.bytesOf(chunk);
  }

  async writeChunk(chunk: number, bytes: Buffer): Promise<void> {
    this.#begin(chunk);
    this.own.set(chunk, Buffer.from(bytes));
  }

  async zeroChunks(first: number, count: number): Promise<void> {
    for (let chunk = first; chunk < first + count; chunk += 1) {
      this.#begin(chunk);
      if (this.parent === undefined) throw new Error(`chunk ${chunk} of a base is zeroed`);
      this.own.set(chunk, undefined);
    }
  }

  async putBootFile(kind: 'kernel' | 'initrd', path: string): Promise<void> {
    this.bootFiles.set(kind, await this.#readBootFile(path));
  }

  async finish(): Promise<string> {
    this.state = 'finished';
    return this.contentId();
  }

  async abandon(): Promise<void> {
    if (this.state === 'abandoned') throw new Error('abandoned twice');
    this.state = 'abandoned';
  }

  /** From the bytes alone. */
  contentId(): string {
    const id = new ContentId(this.size);
    for (const chunk of this.present()) id.add(chunk, sha(this.bytesOf(chunk)));
    return id.finish();
  }

  async writeManifest(): Promise<void> {
    const writer = await ManifestWriter.create(this.manifestPath, this.size);
    for (const chunk of this.present()) await writer.add(chunk, sha(this.bytesOf(chunk)));
    await writer.finish();
  }

  /** The whole disk. */
  open(): BlockDevice {
    const device = new MemoryDevice({ size: this.size, minimumIo: 512 });
    for (const chunk of this.present()) {
      device.write(this.bytesOf(chunk), chunk * CHUNK_BYTES, PLAIN);
    }
    return device;
  }

  #begin(chunk: number): void {
    if (this.own.has(chunk)) throw new Error(`chunk ${chunk} is written twice`);
    if (this.state !== 'open') throw new Error(`written after it was ${this.state}`);
  }
}

export function hashesOf(versions: Iterable<MemoryVersion>): Set<string> {
  const hashes = new Set<string>();
  for (const version of versions) {
    for (const chunk of version.present()) hashes.add(sha(version.bytesOf(chunk)).toString('hex'));
  }
  return hashes;
}
