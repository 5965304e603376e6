/**
 * Reading a bundle. The changes of all versions come first: from them and the manifest of its parent, the
 * manifest of every version is made and its content id compared, before any data is written. Then the data
 * (receive-chunks.ts), the end of the stream, and only then is anything finished.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { Fault } from '../../errors/index.ts';
import { CHUNK_BYTES, ContentId, ManifestWriter, readManifestHeader } from '../manifest/index.ts';
import { applyChanges } from './apply-changes.ts';
import { receiveBootFiles } from './boot-file-spool.ts';
import { cancelled, receiveFault, violationFault } from './bundle-fault.ts';
import { type BundleHead, type BundleVersion, decodeHead } from './bundle-head.ts';
import { BUNDLE_MAGIC, isViolation, violation } from './bundle-record.ts';
import type { BundleTarget, ReadableVersion, VersionSink } from './bundle-target.ts';
import { decodeChanges } from './change-list.ts';
import { ChangeSpool, type SpooledChanges } from './change-spool.ts';
import {
  BundleSupply,
  type ChunkSupply,
  type FetchChunks,
  FetchSupply,
  type RetryChunks,
} from './chunk-supply.ts';
import { HashIndex } from './hash-index.ts';
import { BUNDLE_CHUNKS_MAX } from './limits.ts';
import { ChunkReceiver } from './receive-chunks.ts';
import type { ReceivedVersion, VersionPlan } from './received-version.ts';
import { RecordReader } from './record-reader.ts';

export interface ReadBundleProgress {
  /** Places of chunks in the versions that are made. */
  readonly placesDone: number;
  readonly placesTotal: number;
  /** Bytes of the stream. */
  readonly bytesRead: number;
}

export interface ReadBundleOptions {
  /** Exists; a folder of its own is made in it, and removed at the end. */
  readonly temporaryFolder: string;
  /** Needed for a bundle without chunks, and used for nothing else. */
  readonly fetchChunks?: FetchChunks;
  /** Whether to ask again when an answer breaks off; never unless given. */
  readonly retryChunks?: RetryChunks;
  readonly signal: AbortSignal;
  readonly progress: (progress: ReadBundleProgress) => void;
}

export interface ReceivedBundle<Sink, Existing> {
  readonly head: BundleHead;
  /** As in the head. Those that were made have finished. */
  readonly versions: readonly ReceivedVersion<Sink, Existing>[];
  /** Chunks that were sent, and chunks that were here. */
  readonly chunksReceived: number;
  readonly chunksLocal: number;
}

/**
 * What a bundle holds, without importing it; reads no further.
 * @throws Fault IMAGE_INVALID, IMAGE_UNSUPPORTED, CANCELLED
 */
export async function bundleHead(
  stream: AsyncIterable<Buffer>,
  signal: AbortSignal = new AbortController().signal,
): Promise<BundleHead> {
  const reader = new RecordReader(stream, signal, 'the bundle');
  try {
    return await readHead(reader);
  } finally {
    await reader.close();
  }
}

/**
 * Imports a bundle. Either all of its versions are made, or none: then everything begun is abandoned.
 * @param stream its pieces must not change afterwards
 * @throws Fault IMAGE_INVALID (cut off, damaged, or not what it says), IMAGE_UNSUPPORTED, NOT_FOUND (a version or a
 *   chunk that this server should have), LIMIT_EXCEEDED, CANCELLED, and what the target throws
 */
export async function readBundle<Sink extends VersionSink, Existing extends ReadableVersion>(
  stream: AsyncIterable<Buffer>,
  target: BundleTarget<Sink, Existing>,
  options: ReadBundleOptions,
): Promise<ReceivedBundle<Sink, Existing>> {
  const what = 'the bundle';
  const reader = new RecordReader(stream, options.signal, what);
  const folder = await mkdtemp(join(options.temporaryFolder, 'bundle-'));
  const reading = new BundleReading(reader, target, options);
  try {
    return await reading.read(folder);
  } catch (error) {
    await reading.abandon();
    throw options.signal.aborted
      ? cancelled('the import of the bundle')
      : receiveFault(error, what);
  } finally {
    await reading.close();
    await reader.close();
    await rm(folder, { recursive: true, force: true });
  }
}

class BundleReading<Sink extends VersionSink, Existing extends ReadableVersion> {
  readonly #reader: RecordReader;
  readonly #target: BundleTarget<Sink, Existing>;
  readonly #options: ReadBundleOptions;
  readonly #versions: ReceivedVersion<Sink, Existing>[] = [];
  readonly #plans: VersionPlan[] = [];
  #spool: ChangeSpool | undefined;
  #index: HashIndex | undefined;
  #fetching: FetchSupply | undefined;
  #placesTotal = 0;

  constructor(
    reader: RecordReader,
    target: BundleTarget<Sink, Existing>,
    options: ReadBundleOptions,
  ) {
    this.#reader = reader;
    this.#target = target;
    this.#options = options;
  }

  async read(folder: string): Promise<ReceivedBundle<Sink, Existing>> {
    const head = await readHead(this.#reader);
    const supply = this.#supplyOf(head);
    await this.#target.accept(head);
    this.#spool = await ChangeSpool.create(join(folder, 'changes'));
    this.#index = await HashIndex.create(join(folder, 'chunks'), BUNDLE_CHUNKS_MAX);
    for (const version of head.versions) await this.#beginVersion(version, this.#spool);
    const files = await receiveBootFiles(this.#reader, head.files, folder);
    const end = (chunks: number): Promise<void> => {
      const versions = head.versions.filter(({ sent }) => sent).length;
      return this.#reader.end({ versions, files: head.files.length, chunks });
    };
    if (supply.asks) await end(0);
    const receiver = new ChunkReceiver({
      plans: this.#plans,
      spool: this.#spool,
      supply,
      index: this.#index,
      target: this.#target,
      signal: this.#options.signal,
      progress: ({ placesDone }) => this.#tell(placesDone),
    });
    await receiver.receive();
    if (!supply.asks) await end(supply.taken);
    await this.#finish(files);
    return {
      head,
      versions: this.#versions,
      chunksReceived: supply.taken,
      chunksLocal: receiver.counts.chunksLocal,
    };
  }

  /** Removes everything that was begun, the newest first. */
  async abandon(): Promise<void> {
    for (const version of this.#versions.toReversed()) {
      // What cannot be removed now is for whoever cleans up at the next start.
      if (version.kind === 'made') await version.sink.abandon().catch(() => undefined);
    }
  }

  async close(): Promise<void> {
    await this.#spool?.close();
    await this.#index?.close();
    await this.#fetching?.close();
  }

  #supplyOf(head: BundleHead): ChunkSupply {
    if (head.chunks === 'lacking') return new BundleSupply(this.#reader);
    const { fetchChunks, retryChunks = giveUp, signal } = this.#options;
    if (fetchChunks === undefined) {
      throw new Fault('IMAGE_INVALID', 'the bundle has no chunks, and there is nobody to ask', {
        field: 'chunks',
        value: head.chunks,
        expected: 'lacking',
      });
    }
    this.#fetching = new FetchSupply(fetchChunks, retryChunks, signal);
    return this.#fetching;
  }

  async #beginVersion(version: BundleVersion, spool: ChangeSpool): Promise<void> {
    this.#checkCancelled();
    const parentAt = this.#versions.findIndex((v) => v.version.number === version.parentNumber);
    const parent = this.#versions[parentAt];
    const parentPath = this.#plans[parentAt]?.readable.manifestPath;
    const existing = await this.#existing(version);
    const data = version.sent ? await this.#spoolChanges(version, spool) : undefined;
    const { changes } = data ?? {};
    const what = `version ${version.number}`;
    if (existing !== undefined) {
      this.#versions.push({ kind: 'existing', version, existing });
      this.#plans.push({ version, readable: existing, sink: undefined, changes });
      if (changes === undefined) return;
      const stream = spool.changes(changes);
      const id = new ContentId(version.size);
      checkId(version, await applyChanges(parentPath, stream, version.size, id, what));
      return;
    }
    if (data === undefined) throw missing(version);
    const above = parent?.kind === 'made' ? parent.sink : parent?.existing;
    const needs = { dataBytes: data.dataChunks * CHUNK_BYTES };
    const sink = await this.#target.beginVersion(version, above, needs);
    this.#versions.push({ kind: 'made', version, sink });
    this.#plans.push({ version, readable: sink, sink, changes: data.changes });
    this.#placesTotal += data.dataChunks;
    const writer = await ManifestWriter.create(sink.manifestPath, version.size);
    try {
      const stream = spool.changes(data.changes);
      checkId(version, await applyChanges(parentPath, stream, version.size, writer, what));
    } finally {
      await writer.close();
    }
  }

  async #existing(version: BundleVersion): Promise<Existing | undefined> {
    const existing = await this.#target.haveVersion(version.contentId);
    if (existing === undefined) return undefined;
    const { contentId, size } = await readManifestHeader(existing.manifestPath);
    checkId(version, contentId);
    if (size === version.size) return existing;
    throw violationFault(
      `version ${version.number}`,
      violation('size', version.size, `${size}, as of this content on this server`),
    );
  }

  /** Changes come in rising order, also from record to record: what they come to is checked by their use. */
  async #spoolChanges(
    version: BundleVersion,
    spool: ChangeSpool,
  ): Promise<{ readonly changes: SpooledChanges; readonly dataChunks: number }> {
    const from = spool.length;
    let dataChunks = 0;
    let next = 0;
    for (let last = false; !last; ) {
      this.#checkCancelled();
      const payload = await this.#reader.next('changes');
      const list = decodeChanges(payload);
      if (isViolation(list)) throw this.#reader.fault(list);
      if (list.version !== version.number) {
        const expected = String(version.number);
        throw this.#reader.fault(violation('version of the changes', list.version, expected));
      }
      const first = list.runs[0]?.first ?? next;
      if (first < next) {
        throw this.#reader.fault(violation('first chunk', first, `${next} or more`));
      }
      for (const run of list.runs) {
        next = run.first + run.count;
        if (run.hashes !== undefined) dataChunks += run.count;
      }
      await spool.add(payload);
      last = list.last;
    }
    return { changes: { from, to: spool.length }, dataChunks };
  }

  async #finish(files: ReadonlyMap<string, string>): Promise<void> {
    for (const received of this.#versions) {
      if (received.kind === 'existing') continue;
      this.#checkCancelled();
      const { version, sink } = received;
      for (const kind of ['kernel', 'initrd'] as const) {
        const path = files.get(version.bootFiles?.[kind] ?? '');
        if (path !== undefined) await sink.putBootFile(kind, path);
      }
      checkId(version, await sink.finish());
    }
    this.#checkCancelled();
  }

  #tell(placesDone: number): void {
    this.#options.progress({
      placesDone,
      placesTotal: this.#placesTotal,
      bytesRead: this.#reader.position,
    });
  }

  #checkCancelled(): void {
    if (this.#options.signal.aborted) throw cancelled('the import of the bundle');
  }
}

async function giveUp(error: unknown): Promise<never> {
  throw error;
}

async function readHead(reader: RecordReader): Promise<BundleHead> {
  await reader.begin(BUNDLE_MAGIC);
  const head = decodeHead(await reader.next('head'));
  if (isViolation(head)) throw reader.fault(head);
  return head;
}

function checkId(version: BundleVersion, found: string): void {
  if (found === version.contentId) return;
  const wrong = violation('content id', found, version.contentId);
  throw violationFault(`version ${version.number}`, wrong);
}

function missing(version: BundleVersion): Fault {
  return new Fault(
    'NOT_FOUND',
    `version ${version.number} is not in the bundle, and not on this server`,
    { field: 'contentId', value: version.contentId, expected: 'a version of this server' },
  );
}
