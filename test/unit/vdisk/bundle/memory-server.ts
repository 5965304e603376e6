/** A server in memory that sends and receives bundles; manifests, and what is spooled, are in a folder. */
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  type BundleHead,
  type BundleSource,
  type BundleSourceVersion,
  type BundleTarget,
  ChunkInventory,
  type FetchChunks,
  type ReadBundleOptions,
  readBundle,
  type WriteBundleOptions,
  writeBundle,
  writeChunks,
} from '../../../../src/vdisk/bundle/index.ts';
import { CHUNK_BYTES, chunkLength } from '../../../../src/vdisk/manifest/index.ts';
import { coloured, sha } from './chunk-colours.ts';
import { hashesOf, MemoryVersion } from './memory-version.ts';

export class MemoryServer implements BundleTarget<MemoryVersion, MemoryVersion> {
  /** What it holds, by content id. */
  readonly held = new Map<string, MemoryVersion>();
  /** Everything that was ever begun by a bundle. */
  readonly begun: MemoryVersion[] = [];
  /** Hex hashes of chunks that are damaged here. */
  readonly damaged = new Set<string>();
  readonly heads: BundleHead[] = [];
  localReads = 0;
  readonly folder: string;
  #names = 0;

  private constructor(folder: string) {
    this.folder = folder;
  }

  static async create(): Promise<MemoryServer> {
    return new MemoryServer(await mkdtemp(join(tmpdir(), 'rootcast-bundle-')));
  }

  async close(): Promise<void> {
    await rm(this.folder, { recursive: true });
  }

  newPath(): string {
    this.#names += 1;
    return join(this.folder, `file-${this.#names}`);
  }

  /** A version of its own. @param colours of the chunks that differ from the parent's */
  async make(
    size: number,
    parent: MemoryVersion | undefined,
    colours: Iterable<readonly [chunk: number, colour: number]>,
  ): Promise<MemoryVersion> {
    const version = new MemoryVersion(size, parent, this.newPath());
    for (const [chunk, colour] of colours) {
      const length = chunkLength(size, chunk);
      if (colour === 0 && parent === undefined) continue;
      version.own.set(chunk, colour === 0 ? undefined : coloured(colour, length));
    }
    await version.writeManifest();
    await this.hold(version);
    return version;
  }

  async hold(version: MemoryVersion): Promise<void> {
    version.state = 'finished';
    this.held.set(version.contentId(), version);
  }

  /** What the chunks of a folder of spooled files come to: nothing, when all went well. */
  async leftOver(): Promise<readonly string[]> {
    return (await readdir(this.folder)).filter((name) => name.startsWith('bundle-'));
  }

  // What a bundle asks of a server.

  async accept(head: BundleHead): Promise<void> {
    this.heads.push(head);
  }

  async haveVersion(contentId: string): Promise<MemoryVersion | undefined> {
    return this.held.get(contentId);
  }

  async hasChunk(hash: Buffer): Promise<boolean> {
    return this.hashes().has(hash.toString('hex'));
  }

  async localChunk(hash: Buffer): Promise<Buffer | undefined> {
    this.localReads += 1;
    for (const version of this.held.values()) {
      for (const chunk of version.present()) {
        const bytes = version.bytesOf(chunk);
        if (!sha(bytes).equals(hash)) continue;
        if (!this.damaged.has(hash.toString('hex'))) return bytes;
        const bad = Buffer.from(bytes);
        bad.writeUInt8(bad.readUInt8(0) ^ 1, 0);
        return bad;
      }
    }
    return undefined;
  }

  async beginVersion(
    version: { readonly size: number },
    parent: MemoryVersion | undefined,
  ): Promise<MemoryVersion> {
    const sink = new MemoryVersion(version.size, parent, this.newPath(), readFile);
    this.begun.push(sink);
    return sink;
  }

  /** Hex hashes of all its chunks. */
  hashes(): ReadonlySet<string> {
    return hashesOf(this.held.values());
  }

  async inventory(versions: Iterable<MemoryVersion> = this.held.values()): Promise<ChunkInventory> {
    const inventory = await ChunkInventory.create(this.newPath());
    let layer = 0;
    for (const version of versions) {
      await inventory.add(String(layer), version.manifestPath);
      layer += 1;
    }
    return inventory;
  }

  write(source: BundleSource, options: Partial<WriteBundleOptions> = {}): AsyncGenerator<Buffer> {
    return writeBundle(source, {
      temporaryFolder: this.folder,
      signal: new AbortController().signal,
      progress: () => undefined,
      ...options,
    });
  }

  read(stream: AsyncIterable<Buffer>, options: Partial<ReadBundleOptions> = {}) {
    return readBundle<MemoryVersion, MemoryVersion>(stream, this, {
      temporaryFolder: this.folder,
      signal: new AbortController().signal,
      progress: () => undefined,
      ...options,
    });
  }

  /** How another server asks this one for chunks, and what it asked for. */
  answering(asked: Buffer[][] = []): FetchChunks {
    return (hashes) => {
      asked.push([...hashes]);
      const signal = new AbortController().signal;
      return writeChunks((hash) => this.localChunk(hash), hashes, { signal });
    };
  }
}

/** A vDisk of versions numbered from 1. */
export function sourceOf(
  versions: readonly MemoryVersion[],
  more: Partial<BundleSourceVersion> = {},
): BundleSource {
  return {
    name: 'debian',
    description: 'for the classroom',
    versions: versions.map((version, index) => {
      const parentAt = version.parent === undefined ? -1 : versions.indexOf(version.parent);
      return {
        number: index + 1,
        state: 'production',
        contentId: version.contentId(),
        size: version.size,
        parentNumber: parentAt < 0 ? undefined : parentAt + 1,
        format: 'raw',
        kernelArguments: 'quiet',
        description: `version ${index + 1}`,
        createdAt: '2026-11-27T18:00:00.000Z',
        manifestPath: version.manifestPath,
        bootFiles: undefined,
        openDevice: async () => version.open(),
        ...more,
      };
    }),
  };
}

export async function collect(stream: AsyncIterable<Buffer>): Promise<Buffer> {
  const pieces: Buffer[] = [];
  for await (const piece of stream) pieces.push(piece);
  return Buffer.concat(pieces);
}

/** The bytes in pieces of these lengths, by turns. */
export async function* pieces(bytes: Buffer, ...lengths: number[]): AsyncGenerator<Buffer> {
  let at = 0;
  for (let turn = 0; at < bytes.length; turn += 1) {
    const length = lengths[turn % lengths.length] ?? bytes.length;
    yield bytes.subarray(at, at + length);
    at += length;
  }
}

export const chunks = (count: number, less = 0): number => count * CHUNK_BYTES - less;

/** A base and two differences: 7 distinct chunks, some of them in several places. */
export async function threeVersions(from: MemoryServer): Promise<MemoryVersion[]> {
  const one = await from.make(chunks(6, 512), undefined, [
    [0, 1],
    [1, 2],
    [3, 1],
    [5, 3],
  ]);
  const two = await from.make(one.size, one, [
    [0, 0],
    [2, 4],
    [3, 5],
  ]);
  const three = await from.make(chunks(8), two, [
    [0, 1],
    [5, 3],
    [7, 6],
  ]);
  return [one, two, three];
}
