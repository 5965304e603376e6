/**
 * THE PORT of whoever receives a bundle: a server with layers, or memory in a test.
 *
 * A version is begun, filled, finished, in this order, parents before children. Everything is finished only
 * after the whole bundle has come and every chunk was found right; what has finished is durable, but nobody must
 * see it until `readBundle` has settled: if it fails, `abandon` is called for everything begun, also
 * for what had finished.
 */
import type { BundleHead, BundleVersion } from './bundle-head.ts';

/** A disk of which chunks can be read, with its manifest. */
export interface ReadableVersion {
  /** Of the whole disk of this version. */
  readonly manifestPath: string;
  /** The bytes are checked by whoever asks. */
  readChunk(chunk: number): Promise<Buffer>;
}

/**
 * A version that comes to be: a base, or a difference over its parent, beyond whose end it reads as zeroes.
 * Calls for different chunks run at the same time; none is called twice for the same chunk. What was
 * written can be read until `readBundle` has settled, also after `finish`.
 */
export interface VersionSink extends ReadableVersion {
  /** @param bytes a whole chunk, shorter only at the end of the disk. Not kept, not changed. */
  writeChunk(chunk: number, bytes: Buffer): Promise<void>;
  /** Chunks that the parent has and this version has not. Of a base never asked. */
  zeroChunks(first: number, count: number): Promise<void>;
  /** @param path a file of the bundle, to be copied; it is gone later */
  putBootFile(kind: 'kernel' | 'initrd', path: string): Promise<void>;
  /**
   * Everything is there: makes it durable.
   * @returns the content id of what it holds, hex: from the manifest, or from the disk if that is to be proven
   */
  finish(): Promise<string>;
  /** Removes everything, also after `finish`, also when something has failed. Called once at most. */
  abandon(): Promise<void>;
}

/** What a version will take. */
export interface VersionNeeds {
  /** Bytes at most of the chunks that will be written. */
  readonly dataBytes: number;
}

export interface BundleTarget<Sink extends VersionSink, Existing extends ReadableVersion> {
  /** Called first, before anything is begun: whether this bundle is wanted. @throws Fault */
  accept(head: BundleHead): Promise<void>;
  /** A version of this content that is here already. */
  haveVersion(contentId: string): Promise<Existing | undefined>;
  /** Whether `localChunk` will find it, without reading it. Asked only where chunks can be fetched. */
  hasChunk(hash: Buffer): Promise<boolean>;
  /** A chunk that is here already. The bytes are checked: a damaged one counts as lacking. */
  localChunk(hash: Buffer): Promise<Buffer | undefined>;
  /**
   * Its manifest is written to `manifestPath` of what is returned, where there must be no file yet.
   * @param parent undefined: a base
   */
  beginVersion(
    version: BundleVersion,
    parent: Sink | Existing | undefined,
    needs: VersionNeeds,
  ): Promise<Sink>;
}
