/**
 * The payload of a changes record: what a version changes in the manifest of its parent.
 *
 *     0  number of the version (u32)
 *     4  1 when this is the last record of the version, else 0 (u8)
 *     5  runs of chunks that follow each other, in rising order:
 *          first chunk (u32), chunks (u32, at least 1), kind (u8), then for
 *          kind 1: SHA-256 of every chunk;  kind 0: nothing, the chunks read as zeroes
 *
 * Only chunks of the version's own disk are named: if the parent's disk is larger, its end is gone.
 */
import type { ChunkHash } from '../manifest/index.ts';
import { type Violation, violation } from './bundle-record.ts';
import { BUNDLE_CHANGES_BYTES_MAX } from './limits.ts';

const FIXED_BYTES = 5;
const RUN_BYTES = 9;
const HASH_BYTES = 32;
const KIND_ZEROES = 0;
const KIND_DATA = 1;

/** A chunk that differs from the parent's. */
export interface Change {
  readonly chunk: number;
  /** Undefined: it reads as zeroes. */
  readonly hash: Buffer | undefined;
}

export interface ChangeRun {
  readonly first: number;
  readonly count: number;
  /** One after the other; undefined: the chunks read as zeroes. */
  readonly hashes: Buffer | undefined;
}

export interface ChangeList {
  readonly kind: 'changes';
  /** Number of the version. */
  readonly version: number;
  readonly last: boolean;
  readonly runs: readonly ChangeRun[];
}

export function decodeChanges(payload: Buffer): ChangeList | Violation {
  if (payload.length < FIXED_BYTES) {
    return violation('changes', payload.length, `${FIXED_BYTES} bytes or more`);
  }
  const last = payload.readUInt8(4);
  if (last > 1) return violation('last record of a version', last, '0 or 1');
  const runs: ChangeRun[] = [];
  let next = 0;
  for (let at = FIXED_BYTES; at < payload.length; ) {
    if (payload.length - at < RUN_BYTES) return violation('run', 'cut off', `${RUN_BYTES} bytes`);
    const first = payload.readUInt32BE(at);
    const count = payload.readUInt32BE(at + 4);
    const kind = payload.readUInt8(at + 8);
    at += RUN_BYTES;
    if (first < next) return violation('first chunk of a run', first, `${next} or more`);
    if (count < 1) return violation('chunks of a run', count, '1 or more');
    if (kind !== KIND_DATA && kind !== KIND_ZEROES) return violation('kind of run', kind, '0 or 1');
    const bytes = kind === KIND_DATA ? count * HASH_BYTES : 0;
    if (bytes > payload.length - at) {
      return violation('chunks of a run', count, `hashes in ${payload.length - at} bytes`);
    }
    const hashes = kind === KIND_DATA ? payload.subarray(at, at + bytes) : undefined;
    runs.push({ first, count, hashes });
    at += bytes;
    next = first + count;
  }
  return { kind: 'changes', version: payload.readUInt32BE(0), last: last === 1, runs };
}

/** The chunks of runs that hold data. */
export function* dataOf(run: ChangeRun): Generator<ChunkHash> {
  if (run.hashes === undefined) return;
  for (let index = 0; index < run.count; index += 1) {
    const at = index * HASH_BYTES;
    yield { chunk: run.first + index, hash: run.hashes.subarray(at, at + HASH_BYTES) };
  }
}

/** Puts changes into payloads that are as full as they may be. */
export class ChangeListBuilder {
  readonly #version: number;
  #payload = Buffer.allocUnsafe(BUNDLE_CHANGES_BYTES_MAX);
  #length = FIXED_BYTES;
  /** Where the run begins that may be continued; 0: none. */
  #run = 0;
  #runKind = KIND_ZEROES;
  #nextChunk = 0;

  /** @param version its number */
  constructor(version: number) {
    this.#version = version;
  }

  /** In rising order. @returns a payload that is full and belongs before this change */
  add(change: Change): Buffer | undefined {
    const kind = change.hash === undefined ? KIND_ZEROES : KIND_DATA;
    let full: Buffer | undefined;
    if (this.#length + RUN_BYTES + HASH_BYTES > BUNDLE_CHANGES_BYTES_MAX) full = this.#take(false);
    if (this.#run === 0 || this.#runKind !== kind || this.#nextChunk !== change.chunk) {
      this.#run = this.#length;
      this.#runKind = kind;
      this.#payload.writeUInt32BE(change.chunk, this.#run);
      this.#payload.writeUInt32BE(0, this.#run + 4);
      this.#payload.writeUInt8(kind, this.#run + 8);
      this.#length += RUN_BYTES;
    }
    this.#payload.writeUInt32BE(this.#payload.readUInt32BE(this.#run + 4) + 1, this.#run + 4);
    this.#nextChunk = change.chunk + 1;
    if (change.hash !== undefined) this.#length += change.hash.copy(this.#payload, this.#length);
    return full;
  }

  /** @returns the last payload */
  finish(): Buffer {
    return this.#take(true);
  }

  #take(last: boolean): Buffer {
    const payload = this.#payload.subarray(0, this.#length);
    payload.writeUInt32BE(this.#version, 0);
    payload.writeUInt8(last ? 1 : 0, 4);
    this.#payload = Buffer.allocUnsafe(last ? 0 : BUNDLE_CHANGES_BYTES_MAX);
    this.#length = FIXED_BYTES;
    this.#run = 0;
    return payload;
  }
}
