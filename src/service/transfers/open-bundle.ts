/** A bundle that somebody sends, or that lies in a file: its head, and then all of it. */
import { open } from 'node:fs/promises';
import type { BundleOrigin } from '../../control/index.ts';
import { Fault } from '../../errors/index.ts';
import { type BundleHead, bundleHead } from '../../vdisk/index.ts';

type PlainOrigin = Exclude<BundleOrigin, { kind: 'server' }>;

const READ_BYTES = 1024 * 1024;

/** @returns the head, and where all of the bundle comes from, its head included */
export async function openHead(
  origin: PlainOrigin,
  signal: AbortSignal,
): Promise<{ readonly head: BundleHead; readonly origin: PlainOrigin }> {
  if (origin.kind === 'file')
    return { head: await bundleHead(fileBytes(origin.path), signal), origin };
  const iterator = origin.pieces[Symbol.asyncIterator]();
  const seen: Buffer[] = [];
  const head = await bundleHead(upToHead(iterator, seen), signal);
  return { head, origin: { kind: 'stream', pieces: again(seen, iterator) } };
}

/** The bytes of a bundle. @throws Fault NOT_FOUND, PERMISSION_DENIED, INVALID_INPUT */
export function bytesOf(origin: PlainOrigin): AsyncIterable<Buffer> {
  return origin.kind === 'file' ? fileBytes(origin.path) : origin.pieces;
}

/** Tells how many bytes are given on. */
export async function* counted(
  pieces: AsyncIterable<Buffer>,
  each: (bytes: number) => void,
): AsyncGenerator<Buffer> {
  for await (const piece of pieces) {
    each(piece.length);
    yield piece;
  }
}

/** Remembers what it has given out, and leaves the source open. */
async function* upToHead(iterator: AsyncIterator<Buffer>, seen: Buffer[]): AsyncGenerator<Buffer> {
  for (;;) {
    const { value, done } = await iterator.next();
    if (done === true) return;
    seen.push(value);
    yield value;
  }
}

async function* again(
  seen: readonly Buffer[],
  iterator: AsyncIterator<Buffer>,
): AsyncGenerator<Buffer> {
  yield* seen;
  yield* { [Symbol.asyncIterator]: () => iterator };
}

async function* fileBytes(path: string): AsyncGenerator<Buffer> {
  const handle = await open(path, 'r').catch((error: unknown) => {
    throw openFault(path, error);
  });
  try {
    for (;;) {
      const piece = Buffer.allocUnsafeSlow(READ_BYTES);
      const { bytesRead } = await handle.read(piece, 0, piece.length).catch((error: unknown) => {
        throw openFault(path, error);
      });
      if (bytesRead === 0) return;
      yield piece.subarray(0, bytesRead);
    }
  } finally {
    await handle.close();
  }
}

function openFault(path: string, error: unknown): Fault {
  const { code = '', message } = error as NodeJS.ErrnoException;
  const details = { field: 'path', value: path, expected: 'a bundle that can be read' };
  const kind =
    code === 'ENOENT' || code === 'ENOTDIR'
      ? 'NOT_FOUND'
      : code === 'EACCES' || code === 'EPERM'
        ? 'PERMISSION_DENIED'
        : code === 'EISDIR'
          ? 'INVALID_INPUT'
          : 'UNAVAILABLE';
  return new Fault(kind, `${path}: cannot be read: ${message}`, details, { cause: error });
}
