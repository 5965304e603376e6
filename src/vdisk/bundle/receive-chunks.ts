/**
 * From the changes of the versions to their data. The places of chunks are walked through in the order of
 * the bundle, so that for each there is one of three cases:
 *
 * - the chunk was used before: it is read back from where it was written (or from the version that was here);
 * - it is the next one that comes;
 * - it is here, in some other layer.
 *
 * No chunk waits anywhere for its place. Memory is the index of the hashes and a window of chunks.
 */
import { forEachOf } from '../../base/index.ts';
import { BlockError, Fault } from '../../errors/index.ts';
import { CHUNK_BYTES, chunkLength } from '../manifest/index.ts';
import { cancelled, receiveFault } from './bundle-fault.ts';
import type { BundleTarget, ReadableVersion, VersionSink } from './bundle-target.ts';
import { dataOf } from './change-list.ts';
import type { ChangeSpool } from './change-spool.ts';
import type { StoredChunk } from './chunk-record.ts';
import type { ChunkSupply } from './chunk-supply.ts';
import type { HashIndex } from './hash-index.ts';
import { BUNDLE_CHUNKS_AT_ONCE, BUNDLE_USES_AT_ONCE } from './limits.ts';
import { sha256, unpackChunk } from './pack-chunk.ts';
import type { VersionPlan } from './received-version.ts';

const VERSION_UNIT = 2 ** 32;
const ZEROES = Buffer.alloc(CHUNK_BYTES);

/** A place of a version where a chunk belongs. */
interface Use {
  readonly plan: VersionPlan;
  readonly chunk: number;
  readonly hash: Buffer;
  /** Version and chunk as one number. */
  readonly place: number;
}

export interface ChunkCounts {
  /** Places that have been written. */
  readonly placesDone: number;
  /** Chunks that this server had. */
  readonly chunksLocal: number;
}

interface ReceiverParts {
  readonly plans: readonly VersionPlan[];
  readonly spool: ChangeSpool;
  readonly supply: ChunkSupply;
  /** Empty, with room for all chunks of the bundle. */
  readonly index: HashIndex;
  readonly target: Pick<BundleTarget<VersionSink, ReadableVersion>, 'hasChunk' | 'localChunk'>;
  readonly signal: AbortSignal;
  readonly progress: (counts: ChunkCounts) => void;
}

export class ChunkReceiver {
  readonly #parts: ReceiverParts;
  /** What is being written, by place. */
  readonly #writing = new Map<number, Promise<void>>();
  #placesDone = 0;
  #chunksLocal = 0;

  constructor(parts: ReceiverParts) {
    this.#parts = parts;
  }

  get counts(): ChunkCounts {
    return { placesDone: this.#placesDone, chunksLocal: this.#chunksLocal };
  }

  /** @throws Fault NOT_FOUND (a chunk is nowhere), IMAGE_INVALID, CANCELLED; what the target throws */
  async receive(): Promise<void> {
    let uses: Use[] = [];
    for (const [number, plan] of this.#parts.plans.entries()) {
      if (plan.changes === undefined) continue;
      for await (const runs of this.#parts.spool.runs(plan.changes)) {
        for (const run of runs) {
          if (run.hashes === undefined) await this.#zero(plan, run.first, run.count);
          for (const { chunk, hash } of dataOf(run)) {
            uses.push({ plan, chunk, hash, place: number * VERSION_UNIT + chunk });
            if (uses.length < BUNDLE_USES_AT_ONCE) continue;
            await this.#deal(uses);
            uses = [];
          }
        }
      }
    }
    await this.#deal(uses);
  }

  async #zero(plan: VersionPlan, first: number, count: number): Promise<void> {
    this.#checkCancelled();
    try {
      await plan.sink?.zeroChunks(first, count);
    } catch (error) {
      throw receiveFault(error, `version ${plan.version.number}, chunk ${first}`);
    }
  }

  async #deal(uses: readonly Use[]): Promise<void> {
    const { index, supply, target } = this.#parts;
    /** Of uses of chunks that were used before: where. */
    const before = new Map<Use, number>();
    const wanted: Buffer[] = [];
    for (const use of uses) {
      const found = index.find(use.hash);
      const place = found instanceof Promise ? await found : found;
      if (place !== undefined) {
        before.set(use, place);
        continue;
      }
      const wait = index.add(use.hash, use.place);
      if (wait !== undefined) await wait;
      if (!supply.asks || use.plan.sink === undefined) continue;
      this.#checkCancelled();
      if (!(await target.hasChunk(use.hash))) wanted.push(use.hash);
    }
    supply.expect(wanted);
    await forEachOf(uses, BUNDLE_CHUNKS_AT_ONCE, (use) => this.#fill(use, before.get(use)));
  }

  async #fill(use: Use, before: number | undefined): Promise<void> {
    const what = `version ${use.plan.version.number}, chunk ${use.chunk}`;
    const filled = this.#fillFrom(use, before, what).catch((error: unknown) => {
      throw receiveFault(error, what);
    });
    if (before === undefined) this.#writing.set(use.place, filled);
    try {
      await filled;
    } finally {
      this.#writing.delete(use.place);
    }
  }

  async #fillFrom(use: Use, before: number | undefined, what: string): Promise<void> {
    this.#checkCancelled();
    // In this order also where nothing is to be written: the chunk may come in the bundle all the same.
    const next = before === undefined ? this.#parts.supply.take(use.hash) : undefined;
    const coming = await next;
    const { sink, version } = use.plan;
    if (sink === undefined) return;
    const bytes = await this.#bytesOf(use, before, coming, what);
    if (bytes.length !== chunkLength(version.size, use.chunk)) {
      const expected = `${chunkLength(version.size, use.chunk)} bytes`;
      throw wrong(`${what}: the chunk has ${bytes.length} bytes`, use, expected);
    }
    if (ZEROES.compare(bytes, 0, bytes.length, 0, bytes.length) === 0) {
      throw wrong(`${what}: zeroes are given as data`, use, 'a chunk that is not all zeroes');
    }
    await sink.writeChunk(use.chunk, bytes);
    this.#placesDone += 1;
    this.#parts.progress(this.counts);
  }

  async #bytesOf(
    use: Use,
    before: number | undefined,
    coming: StoredChunk | undefined,
    what: string,
  ): Promise<Buffer> {
    if (coming !== undefined) return this.#unpack(coming, what);
    const here = before === undefined ? undefined : await this.#readBack(use, before);
    const bytes = here ?? (await this.#checked(use, this.#parts.target.localChunk(use.hash)));
    if (bytes !== undefined) {
      if (before === undefined) this.#chunksLocal += 1;
      return bytes;
    }
    const late = await this.#parts.supply.late(use.hash);
    if (late !== undefined) return this.#unpack(late, what);
    const value = use.hash.toString('hex');
    throw new Fault(
      'NOT_FOUND',
      `${what}: SHA-256 ${value} does not come with the bundle, and is not (whole) on this server`,
      { field: 'chunk', value, expected: 'a chunk of the bundle or of this server' },
    );
  }

  /** @returns undefined: it is not what was there, so the version that was here before is damaged */
  async #readBack(use: Use, place: number): Promise<Buffer | undefined> {
    await this.#writing.get(place);
    const plan = this.#parts.plans[Math.floor(place / VERSION_UNIT)];
    return this.#checked(use, plan?.readable.readChunk(place % VERSION_UNIT));
  }

  async #checked(
    use: Use,
    reading: Promise<Buffer | undefined> | undefined,
  ): Promise<Buffer | undefined> {
    try {
      const bytes = await reading;
      if (bytes === undefined) return undefined;
      return (await sha256(bytes)).equals(use.hash) ? bytes : undefined;
    } catch (error) {
      // What cannot be read is lacking as well.
      if (error instanceof BlockError) return undefined;
      throw error;
    }
  }

  async #unpack(chunk: StoredChunk, what: string): Promise<Buffer> {
    const bytes = await unpackChunk(chunk);
    if (bytes !== undefined) return bytes;
    throw new Fault('IMAGE_INVALID', `${what}: the chunk that came is damaged`, {
      field: 'chunk',
      value: chunk.hash.toString('hex'),
      expected: 'bytes with this SHA-256',
    });
  }

  #checkCancelled(): void {
    if (this.#parts.signal.aborted) throw cancelled('the reading of the bundle');
  }
}

function wrong(message: string, use: Use, expected: string): Fault {
  return new Fault('IMAGE_INVALID', message, { field: 'chunk', value: use.chunk, expected });
}
