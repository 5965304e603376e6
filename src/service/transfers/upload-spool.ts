/** What comes as a stream and is needed as a file: kept in the data folder until it is not needed any more. */
import { randomUUID } from 'node:crypto';
import { type FileHandle, open, rm, statfs } from 'node:fs/promises';
import { join } from 'node:path';
import type { IncomingStream } from '../../control/index.ts';
import { Fault } from '../../errors/index.ts';
import { SPOOL_CHECK_BYTES, SPOOL_RESERVE_BYTES } from './limits.ts';

export interface SpooledFile {
  readonly path: string;
  readonly bytes: number;
  readonly remove: () => Promise<void>;
}

export interface SpoolOptions {
  /** Exists; emptied at every start. */
  readonly folder: string;
  /** What comes, for a person. */
  readonly what: string;
  readonly bytesMax: number;
  readonly progress: (bytesDone: number) => void;
  readonly signal: AbortSignal;
}

/** @throws Fault NO_SPACE, LIMIT_EXCEEDED, CANCELLED, and what the stream throws; then nothing stays */
export async function spool(
  { pieces, length }: IncomingStream,
  options: SpoolOptions,
): Promise<SpooledFile> {
  checkLength(length ?? 0, options);
  await checkSpace(length ?? 0, options);
  const path = join(options.folder, `upload-${randomUUID()}`);
  const remove = (): Promise<void> => rm(path, { force: true });
  const handle = await open(path, 'wx', 0o600).catch((error: unknown) => {
    throw spoolFault(error, options);
  });
  try {
    const bytes = await writePieces(handle, pieces, options);
    await handle.close();
    return { path, bytes, remove };
  } catch (error) {
    await handle.close().catch(() => undefined);
    await remove().catch(() => undefined);
    if (options.signal.aborted) throw cancelled(options);
    throw spoolFault(error, options);
  }
}

async function writePieces(
  handle: FileHandle,
  pieces: AsyncIterable<Buffer>,
  options: SpoolOptions,
): Promise<number> {
  let bytes = 0;
  let unchecked = 0;
  for await (const piece of orAborted(pieces, options)) {
    checkLength(bytes + piece.length, options);
    for (let done = 0; done < piece.length; ) {
      const { bytesWritten } = await handle.write(piece, done, piece.length - done, bytes + done);
      done += bytesWritten;
    }
    bytes += piece.length;
    unchecked += piece.length;
    if (unchecked >= SPOOL_CHECK_BYTES) {
      unchecked = 0;
      await checkSpace(0, options);
    }
    options.progress(bytes);
  }
  return bytes;
}

/** Whoever sends nothing must not keep anybody from giving up. */
async function* orAborted(
  pieces: AsyncIterable<Buffer>,
  options: SpoolOptions,
): AsyncGenerator<Buffer> {
  const { signal } = options;
  const iterator = pieces[Symbol.asyncIterator]();
  const aborted = Promise.withResolvers<never>();
  aborted.promise.catch(() => undefined);
  const abort = (): void => aborted.reject(cancelled(options));
  if (signal.aborted) abort();
  signal.addEventListener('abort', abort, { once: true });
  let isOver = false;
  try {
    for (;;) {
      const { value, done } = await Promise.race([iterator.next(), aborted.promise]);
      isOver = done === true;
      if (done === true) return;
      yield value;
    }
  } finally {
    signal.removeEventListener('abort', abort);
    const ended = isOver ? undefined : iterator.return?.();
    ended?.catch(() => undefined);
    // A source that waits for its next piece would not end before that one comes.
    if (!signal.aborted) await ended?.catch(() => undefined);
  }
}

function checkLength(bytes: number, { bytesMax, what }: SpoolOptions): void {
  if (bytes <= bytesMax) return;
  throw new Fault('LIMIT_EXCEEDED', `${what} has ${bytes} bytes or more`, {
    field: 'body',
    value: bytes,
    expected: `at most ${bytesMax} bytes`,
  });
}

async function checkSpace(bytes: number, options: SpoolOptions): Promise<void> {
  const { folder, what } = options;
  const { bavail, bsize } = await statfs(folder).catch((error: unknown) => {
    throw spoolFault(error, options);
  });
  const free = bavail * bsize;
  const needed = bytes + SPOOL_RESERVE_BYTES;
  if (needed <= free) return;
  throw new Fault(
    'NO_SPACE',
    `${what} needs ${needed} bytes in the data folder, which has ${free} free`,
    {
      field: 'data',
      value: free,
      expected: `${needed} bytes`,
    },
  );
}

function cancelled({ what }: SpoolOptions): Fault {
  return new Fault('CANCELLED', `the receiving of ${what} was cancelled`);
}

const CODES: Readonly<Record<string, 'NO_SPACE' | 'PERMISSION_DENIED'>> = {
  ENOSPC: 'NO_SPACE',
  EDQUOT: 'NO_SPACE',
  EACCES: 'PERMISSION_DENIED',
  EROFS: 'PERMISSION_DENIED',
};

function spoolFault(error: unknown, { what }: SpoolOptions): Fault {
  if (error instanceof Fault) return error;
  const { code = '', message } = error as NodeJS.ErrnoException;
  const kind = CODES[code] ?? 'UNAVAILABLE';
  return new Fault(kind, `${what} cannot be kept: ${message}`, {}, { cause: error });
}
