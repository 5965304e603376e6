/**
 * Writing a bundle. First the manifests are read and what each version changes is given out; while that is
 * done, every chunk that the receiver lacks is noted once, with the place where it is used first. Then the
 * boot files, and the noted chunks in the order in which they were noted. Memory is a window of chunks and
 * the index of the noted hashes.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { chain, type MaybePromise, mapInOrder } from '../../base/index.ts';
import type { ReadableBlockDevice } from '../../block/index.ts';
import { Fault } from '../../errors/index.ts';
import { CHUNK_BYTES, chunkLength, readManifestHeader } from '../manifest/index.ts';
import { type OpenBootFile, openBootFiles } from './boot-file-pieces.ts';
import { cancelled, sendFault } from './bundle-fault.ts';
import {
  type BundleBootFiles,
  type BundleVersion,
  encodeHead,
  type VersionFacts,
} from './bundle-head.ts';
import { BUNDLE_MAGIC } from './bundle-record.ts';
import { ChangeListBuilder } from './change-list.ts';
import { encodeChunk, type StoredChunk } from './chunk-record.ts';
import { type HashEntry, HashIndex } from './hash-index.ts';
import { BUNDLE_CHUNKS_AT_ONCE, BUNDLE_CHUNKS_MAX } from './limits.ts';
import { manifestChanges } from './manifest-changes.ts';
import { packChunk } from './pack-chunk.ts';
import { RecordWriter } from './record-writer.ts';

/** Whether the receiver lacks a chunk. Asked again where a chunk that it has is used again. */
export type ChunkFilter = (hash: Buffer) => MaybePromise<boolean>;

export interface BundleSourceVersion extends VersionFacts {
  readonly manifestPath: string;
  /** `kernel` and `initrd` are paths. */
  readonly bootFiles: BundleBootFiles | undefined;
  /**
   * The whole disk of the version. Opened when its first chunk is read and closed after its last one, one at a
   * time: a chain takes memory as long as it is open.
   */
  readonly openDevice: () => Promise<ReadableBlockDevice>;
}

export interface BundleSource {
  readonly name: string;
  readonly description: string;
  /** A parent before its children. */
  readonly versions: readonly BundleSourceVersion[];
}

export interface WriteBundleProgress {
  readonly versionsDone: number;
  readonly versionsTotal: number;
  readonly chunksDone: number;
  /** Undefined until all manifests have been read. */
  readonly chunksTotal: number | undefined;
}

export interface WriteBundleOptions {
  /** Exists; a folder of its own is made in it, and removed at the end. */
  readonly temporaryFolder: string;
  /** Everything unless given. */
  readonly lacks?: ChunkFilter;
  /** `none`: the receiver asks for what it lacks (write-chunks.ts). `lacking` unless given. */
  readonly chunks?: 'lacking' | 'none';
  /** Content ids of versions that the receiver has: they are named, and not sent. `lacks` knows their chunks. */
  readonly receiverHas?: ReadonlySet<string>;
  readonly compression?: 'zstd' | 'none';
  readonly signal: AbortSignal;
  readonly progress: (progress: WriteBundleProgress) => void;
}

/**
 * A bundle, record by record. Whoever asks no more ends it with `return`, as `for await` does.
 * @throws Fault INVALID_INPUT (a version that cannot be described), LIMIT_EXCEEDED, NOT_FOUND, IMAGE_INVALID (a
 *   manifest or a chunk that is damaged here), UNAVAILABLE (a device fails), CANCELLED
 */
export async function* writeBundle(
  source: BundleSource,
  options: WriteBundleOptions,
): AsyncGenerator<Buffer> {
  const folder = await mkdtemp(join(options.temporaryFolder, 'bundle-'));
  const sender = new BundleSender(source, options);
  try {
    yield* sender.send(folder);
  } catch (error) {
    if (options.signal.aborted) throw cancelled(`the bundle of ${source.name}`);
    throw sendFault(error, `the bundle of ${source.name}`);
  } finally {
    await sender.close();
    await rm(folder, { recursive: true, force: true });
  }
}

/** A version with its part of the noted chunks. */
interface NotedVersion {
  readonly version: BundleSourceVersion;
  readonly from: number;
  readonly to: number;
}

class BundleSender {
  readonly #source: BundleSource;
  readonly #options: WriteBundleOptions;
  readonly #sent: readonly BundleSourceVersion[];
  readonly #writer = new RecordWriter(BUNDLE_MAGIC);
  /** What has to be sent, in order; undefined: nothing. */
  #noted: HashIndex | undefined;
  #versionsDone = 0;
  #chunksDone = 0;
  #chunksTotal: number | undefined;

  constructor(source: BundleSource, options: WriteBundleOptions) {
    this.#source = source;
    this.#options = options;
    this.#sent = source.versions.filter((version) => !this.#receiverHas(version));
  }

  async *send(folder: string): AsyncGenerator<Buffer> {
    const { chunks = 'lacking', compression = 'zstd' } = this.#options;
    const files = await openBootFiles(this.#sent);
    const head = encodeHead({
      name: this.#source.name,
      description: this.#source.description,
      chunks,
      compression,
      versions: this.#source.versions.map((version) => this.#describe(version, files)),
      files: files.map(({ sha256, size }) => ({ sha256, size })),
    });
    if (chunks === 'lacking') {
      this.#noted = await HashIndex.create(join(folder, 'chunks'), BUNDLE_CHUNKS_MAX);
    }
    yield this.#writer.preamble;
    yield this.#writer.record('head', [head]);
    const noted: NotedVersion[] = [];
    for (const version of this.#sent) {
      const from = this.#noted?.count ?? 0;
      yield* this.#changesOf(version);
      noted.push({ version, from, to: this.#noted?.count ?? 0 });
      this.#versionsDone += 1;
      this.#tell();
    }
    this.#chunksTotal = this.#noted?.count ?? 0;
    for (const file of files) {
      for await (const piece of file.pieces()) yield this.#writer.record('file', [piece]);
    }
    for (const version of noted) yield* this.#chunksOf(version);
    yield this.#writer.end({
      versions: this.#sent.length,
      files: files.length,
      chunks: this.#chunksDone,
    });
  }

  async close(): Promise<void> {
    await this.#noted?.close();
  }

  async *#changesOf(version: BundleSourceVersion): AsyncGenerator<Buffer> {
    const parent = this.#source.versions.find(({ number }) => number === version.parentNumber);
    const { contentId, size } = await readManifestHeader(version.manifestPath);
    if (contentId !== version.contentId || size !== version.size) {
      throw new Fault('IMAGE_INVALID', `version ${version.number}: its manifest is another one's`, {
        field: 'contentId',
        value: contentId,
        expected: version.contentId,
      });
    }
    const builder = new ChangeListBuilder(version.number);
    for await (const changes of manifestChanges(parent?.manifestPath, version.manifestPath)) {
      this.#checkCancelled();
      for (const change of changes) {
        const full = builder.add(change);
        if (full !== undefined) yield this.#writer.record('changes', [full]);
        if (change.hash !== undefined) {
          const wait = this.#note(change.hash, change.chunk);
          if (wait !== undefined) await wait;
        }
      }
    }
    yield this.#writer.record('changes', [builder.finish()]);
  }

  /** Notes a chunk that must be sent, where it is used first. */
  #note(hash: Buffer, chunk: number): MaybePromise<void> {
    const noted = this.#noted;
    if (noted === undefined) return undefined;
    return chain(noted.find(hash), (known) => {
      if (known !== undefined) return undefined;
      const lacks = this.#options.lacks?.(hash) ?? true;
      return chain(lacks, (isLacking) => (isLacking ? noted.add(hash, chunk) : undefined));
    });
  }

  async *#chunksOf({ version, from, to }: NotedVersion): AsyncGenerator<Buffer> {
    if (this.#noted === undefined || from === to) return;
    const entries = flat(this.#noted.entries(from, to));
    const device = await version.openDevice();
    try {
      if (device.geometry.size < version.size) throw tooShort(version, device.geometry.size);
      const work = (entry: HashEntry) => this.#pack(version, device, entry);
      for await (const chunk of mapInOrder(entries, BUNDLE_CHUNKS_AT_ONCE, work)) {
        this.#chunksDone += 1;
        yield this.#writer.record('chunk', encodeChunk(chunk));
        this.#tell();
      }
    } finally {
      await device.close();
    }
  }

  async #pack(
    version: BundleSourceVersion,
    device: ReadableBlockDevice,
    { hash, value: chunk }: HashEntry,
  ): Promise<StoredChunk> {
    this.#checkCancelled();
    const what = `version ${version.number}, chunk ${chunk}`;
    const bytes = Buffer.allocUnsafeSlow(chunkLength(version.size, chunk));
    try {
      await device.read(bytes, chunk * CHUNK_BYTES);
    } catch (error) {
      throw sendFault(error, what);
    }
    const packed = await packChunk(hash, bytes, this.#options.compression ?? 'zstd');
    if (packed !== undefined) return packed;
    throw new Fault('IMAGE_INVALID', `${what}: is damaged here: not what the manifest says`, {
      field: 'chunk',
      value: chunk,
      expected: hash.toString('hex'),
    });
  }

  #describe(version: BundleSourceVersion, files: readonly OpenBootFile[]): BundleVersion {
    const sent = !this.#receiverHas(version);
    const { bootFiles } = version;
    const hashOf = (path: string | undefined): string | undefined =>
      files.find((file) => path !== undefined && file.paths.has(path))?.sha256;
    return {
      number: version.number,
      state: version.state,
      contentId: version.contentId,
      size: version.size,
      parentNumber: version.parentNumber,
      format: version.format,
      kernelArguments: version.kernelArguments,
      description: version.description,
      createdAt: version.createdAt,
      sent,
      bootFiles:
        bootFiles === undefined || !sent
          ? undefined
          : { ...bootFiles, kernel: hashOf(bootFiles.kernel), initrd: hashOf(bootFiles.initrd) },
    };
  }

  #receiverHas(version: BundleSourceVersion): boolean {
    return this.#options.receiverHas?.has(version.contentId) ?? false;
  }

  #checkCancelled(): void {
    if (this.#options.signal.aborted) throw cancelled(`the bundle of ${this.#source.name}`);
  }

  #tell(): void {
    this.#options.progress({
      versionsDone: this.#versionsDone,
      versionsTotal: this.#sent.length,
      chunksDone: this.#chunksDone,
      chunksTotal: this.#chunksTotal,
    });
  }
}

function tooShort(version: BundleSourceVersion, bytes: number): Fault {
  return new Fault('IMAGE_INVALID', `version ${version.number}: its disk has ${bytes} bytes`, {
    field: 'size',
    value: bytes,
    expected: `${version.size} bytes`,
  });
}

async function* flat<T>(batches: AsyncIterable<readonly T[]>): AsyncGenerator<T> {
  for await (const batch of batches) yield* batch;
}
