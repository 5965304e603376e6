/** Files of the machine that the CLI runs on. */
import { type FileHandle, open, rename, rm, stat } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { syncPath, writeAt } from '../base/index.ts';
import { CliError, EXIT_REFUSED, EXIT_USAGE } from './cli-error.ts';
import { READ_BYTES } from './limits.ts';
import type { Upload } from './stream-client.ts';

/**
 * Writes a file that is there when it is whole: until then its name ends in `.partial`.
 * @param place.path relative to `place.cwd`
 * @returns its absolute path and its length in bytes
 * @throws CliError, and what the pieces throw; then there is no file
 */
export async function writeWhole(
  place: { readonly path: string; readonly cwd: string; readonly overwrite: boolean },
  pieces: AsyncIterable<Buffer>,
): Promise<{ readonly path: string; readonly length: number }> {
  const path = resolve(place.cwd, place.path);
  const partial = `${path}.partial`;
  const handle = await open(partial, 'wx', 0o600).catch((error: unknown) => {
    throw cannot('write', partial, error);
  });
  try {
    const length = await writePieces(handle, partial, pieces);
    await handle.close();
    await refuseTaken(path, place.overwrite);
    await rename(partial, path);
    await syncPath(dirname(path));
    return { path, length };
  } catch (error) {
    await handle.close().catch(() => undefined);
    await rm(partial, { force: true });
    throw error instanceof CliError ? error : cannot('write', path, error);
  }
}

/** @throws CliError when there is a file, and it is not to be replaced */
export async function refuseTaken(path: string, overwrite: boolean): Promise<void> {
  if (overwrite) return;
  const there = await stat(path).catch(() => undefined);
  if (there !== undefined) {
    throw new CliError(EXIT_USAGE, `${path} is there already; --overwrite replaces it`);
  }
}

async function writePieces(
  handle: FileHandle,
  path: string,
  pieces: AsyncIterable<Buffer>,
): Promise<number> {
  let length = 0;
  for await (const piece of pieces) {
    // Most of a disk is empty: so is the file.
    if (!isZero(piece)) {
      try {
        await writeAt(handle, piece, length);
      } catch (error) {
        throw cannot('write', path, error);
      }
    }
    length += piece.length;
  }
  await handle.truncate(length);
  await handle.sync();
  return length;
}

const ZEROES = Buffer.alloc(READ_BYTES);

function isZero(piece: Buffer): boolean {
  const { length } = piece;
  return length <= ZEROES.length && ZEROES.compare(piece, 0, length, 0, length) === 0;
}

/** A file to be sent. @throws CliError; also while it is read */
export async function fileToSend(path: string, cwd: string): Promise<Upload> {
  const whole = resolve(cwd, path);
  const facts = await stat(whole).catch((error: unknown) => {
    throw cannot('read', whole, error);
  });
  // A pipe or a device has no length.
  return { pieces: piecesOf(whole), length: facts.isFile() ? facts.size : undefined };
}

/** @param most bytes, if not all */
export async function* piecesOf(
  path: string,
  most: number = Number.POSITIVE_INFINITY,
): AsyncGenerator<Buffer> {
  const handle = await open(path, 'r').catch((error: unknown) => {
    throw cannot('read', path, error);
  });
  try {
    for (let left = most; left > 0; ) {
      const piece = Buffer.allocUnsafe(Math.min(READ_BYTES, left));
      const { bytesRead } = await handle.read(piece, 0, piece.length, null);
      if (bytesRead === 0) return;
      left -= bytesRead;
      yield piece.subarray(0, bytesRead);
    }
  } catch (error) {
    throw cannot('read', path, error);
  } finally {
    await handle.close();
  }
}

/** A small file, or what a pipe or a device gives; no more of it than `most` bytes and one. @throws CliError */
export async function readSmall(path: string, cwd: string, most: number): Promise<Buffer> {
  const whole = resolve(cwd, path);
  const pieces: Buffer[] = [];
  for await (const piece of piecesOf(whole, most + 1)) pieces.push(piece);
  const file = Buffer.concat(pieces);
  if (file.length <= most) return file;
  throw new CliError(EXIT_USAGE, `${whole} has more than ${most} bytes`);
}

function cannot(what: 'read' | 'write', path: string, error: unknown): CliError {
  const { code, message } = error as NodeJS.ErrnoException;
  if (code === 'EEXIST') {
    const text = `${path} is there: another command writes it, or was ended while it did; then remove it`;
    return new CliError(EXIT_REFUSED, text, { cause: error });
  }
  return new CliError(EXIT_REFUSED, `cannot ${what} ${path}: ${message}`, { cause: error });
}
