/**
 * Chunks of a disk read and hashed for whoever seals, merges or verifies: in rising order, a window of
 * them at once, while the window before is being worked on.
 */
import { subtle } from 'node:crypto';
import { setImmediate } from 'node:timers/promises';
import { type ReadableBlockDevice, ZEROES } from '../../block/index.ts';
import { BlockError } from '../../errors/index.ts';
import { CHUNK_BYTES, chunkCount, chunkLength, countChunks, hasChunk } from '../manifest/index.ts';
import { WINDOW_CHUNKS } from './limits.ts';
import { readAll } from './whole-io.ts';

export interface ReadChunk {
  readonly chunk: number;
  /** Bytes from the start of the disk. */
  readonly offset: number;
  readonly length: number;
  /** Where its bytes are in the window's. */
  readonly at: number;
  /** SHA-256; undefined: all zeroes, or it could not be read. */
  readonly hash: Buffer | undefined;
  /** Why it could not be read: the volume answered EIO. */
  readonly failure: BlockError | undefined;
}

export interface ChunkWindow {
  readonly chunks: readonly ReadChunk[];
  /** Chunks that follow each other on the disk do so here. Reused when the window has been handled. */
  readonly bytes: Buffer;
}

interface Run {
  readonly first: number;
  readonly count: number;
  readonly at: number;
}

/**
 * Calls `each` for all chunks whose bits are set, window by window.
 * @param source.checkCancelled throws to end it, before each window
 * @throws BlockError when a volume fails with anything but EIO, and what `each` throws
 */
export async function forEachWindow(
  source: {
    readonly device: ReadableBlockDevice;
    readonly chunks: Uint8Array;
    readonly checkCancelled: () => void;
  },
  each: (window: ChunkWindow) => Promise<void>,
): Promise<void> {
  const { device, chunks, checkCancelled } = source;
  const windows = windowsOf(chunks, device.geometry.size);
  const load = (bytes: Buffer<ArrayBuffer>): Promise<ChunkWindow> | undefined => {
    const next = windows.next();
    return next.done === true ? undefined : loadWindow(device, next.value, bytes);
  };
  let current = Buffer.alloc(WINDOW_CHUNKS * CHUNK_BYTES);
  let other = Buffer.alloc(WINDOW_CHUNKS * CHUNK_BYTES);
  checkCancelled();
  for (let loading = load(current); loading !== undefined; ) {
    const window = await loading;
    [current, other] = [other, current];
    checkCancelled();
    loading = load(current);
    loading?.catch(() => undefined); // awaited in the next turn; until then nobody else looks at it
    try {
      await each(window);
    } catch (error) {
      await Promise.allSettled([loading]); // volumes are closed only when nobody reads
      throw error;
    }
  }
}

/** The chunks of either bitmap. */
export function eitherOf(one: Uint8Array, other: Uint8Array): Uint8Array {
  return one.map((byte, index) => byte | (other[index] ?? 0));
}

/** The chunks of both bitmaps. */
export function bothOf(one: Uint8Array, other: Uint8Array): Uint8Array {
  return one.map((byte, index) => byte & (other[index] ?? 0));
}

/** Bytes of the chunks whose bits are set. */
export function bytesOf(chunks: Uint8Array, size: number): number {
  const last = chunkCount(size) - 1;
  const beyondEnd = hasChunk(chunks, last) ? CHUNK_BYTES - chunkLength(size, last) : 0;
  return countChunks(chunks) * CHUNK_BYTES - beyondEnd;
}

function* windowsOf(chunks: Uint8Array, size: number): Generator<readonly number[]> {
  let window: number[] = [];
  for (const chunk of setBits(chunks)) {
    if (chunk * CHUNK_BYTES >= size) break;
    window.push(chunk);
    if (window.length < WINDOW_CHUNKS) continue;
    yield window;
    window = [];
  }
  if (window.length > 0) yield window;
}

function* setBits(bits: Uint8Array): Generator<number> {
  for (const [index, byte] of bits.entries()) {
    if (byte === 0) continue;
    for (let bit = index * 8; bit < index * 8 + 8; bit++) if (hasChunk(bits, bit)) yield bit;
  }
}

async function loadWindow(
  device: ReadableBlockDevice,
  numbers: readonly number[],
  bytes: Buffer<ArrayBuffer>,
): Promise<ChunkWindow> {
  // A window of zeroes out of the page cache waits for nothing.
  await setImmediate();
  const reads = runsOf(numbers).map((run) => readRun(device, run, bytes));
  const results = await Promise.allSettled(reads);
  const chunks: ReadChunk[] = [];
  for (const result of results) {
    if (result.status === 'rejected') throw result.reason;
    chunks.push(...result.value);
  }
  return { chunks, bytes };
}

/** Chunks that follow each other are read together. */
function runsOf(numbers: readonly number[]): readonly Run[] {
  const runs: Run[] = [];
  for (const [index, chunk] of numbers.entries()) {
    const last = runs.at(-1);
    if (last !== undefined && last.first + last.count === chunk) {
      runs[runs.length - 1] = { ...last, count: last.count + 1 };
    } else {
      runs.push({ first: chunk, count: 1, at: index * CHUNK_BYTES });
    }
  }
  return runs;
}

async function readRun(
  device: ReadableBlockDevice,
  run: Run,
  bytes: Buffer<ArrayBuffer>,
): Promise<readonly ReadChunk[]> {
  const { size } = device.geometry;
  const singles = Array.from({ length: run.count }, (_, index) => ({
    first: run.first + index,
    count: 1,
    at: run.at + index * CHUNK_BYTES,
  }));
  const last = run.first + run.count - 1;
  const end = run.at + (run.count - 1) * CHUNK_BYTES + chunkLength(size, last);
  try {
    await readAll(device, bytes.subarray(run.at, end), run.first * CHUNK_BYTES);
  } catch (error) {
    if (!(error instanceof BlockError) || error.errno !== 'EIO') throw error;
    if (run.count === 1) return [describe(run, size, { hash: undefined, failure: error })];
    // Only one of them may be bad.
    const chunks: ReadChunk[] = [];
    for (const single of singles) chunks.push(...(await readRun(device, single, bytes)));
    return chunks;
  }
  return Promise.all(
    singles.map(async (single) => {
      const part = bytes.subarray(single.at, single.at + chunkLength(size, single.first));
      return describe(single, size, { hash: await hashOf(part), failure: undefined });
    }),
  );
}

function describe(
  { first, at }: Run,
  size: number,
  found: Pick<ReadChunk, 'hash' | 'failure'>,
): ReadChunk {
  const length = chunkLength(size, first);
  return { chunk: first, offset: first * CHUNK_BYTES, length, at, ...found };
}

/** In the thread pool: this is the control thread. */
async function hashOf(bytes: Buffer<ArrayBuffer>): Promise<Buffer | undefined> {
  if (bytes.equals(ZEROES.subarray(0, bytes.length))) return undefined;
  return Buffer.from(await subtle.digest('SHA-256', bytes));
}
