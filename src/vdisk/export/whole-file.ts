/**
 * A file that is there when it is whole. It is written under the name `<path>.partial`, made durable and
 * renamed; one that fails or is cancelled is removed. One that the process did not survive stays behind,
 * and the next that wants the same path says so and touches nothing: it could be somebody's who is still
 * writing.
 */
import { lstat, rename, rm, stat } from 'node:fs/promises';
import { basename, dirname, resolve } from 'node:path';
import { syncPath } from '../../base/index.ts';
import { Fault } from '../../errors/index.ts';
import { cancelled, invalid, writeFault } from './export-fault.ts';
import { EXPORT_RESERVE_BYTES } from './limits.ts';
import { SparseWriter } from './sparse-writer.ts';
import { systemFolder, type TargetFile, type TargetFolder } from './target-file.ts';

export interface ExportedFile {
  /** Absolute. */
  readonly path: string;
  /** Bytes of the file; where they are zeroes it has holes. */
  readonly length: number;
}

export interface WholeFileOptions {
  /** Whether a file that has this name already is replaced, once the new one is whole. */
  readonly overwrite?: boolean | undefined;
  readonly signal: AbortSignal;
  /** The system's, unless given. */
  readonly target?: TargetFolder | undefined;
}

export interface WholeFileWork {
  /** Called before anything is made. @throws Fault NO_SPACE */
  readonly checkSpace: (folder: string) => Promise<void>;
  /** @returns the length of the file */
  readonly write: (writer: SparseWriter) => Promise<number>;
}

const PARTIAL = '.partial';

/**
 * @throws Fault INVALID_INPUT, NOT_FOUND (the folder), ALREADY_EXISTS, IN_USE (a partial file is there),
 *   PERMISSION_DENIED, NO_SPACE, CANCELLED, and what the work throws
 */
export async function makeWholeFile(
  path: string,
  options: WholeFileOptions,
  work: WholeFileWork,
): Promise<ExportedFile> {
  const { signal, overwrite = false } = options;
  const whole = resolve(path);
  checkCancelled(signal);
  await checkPlace(path, whole, overwrite);
  await work.checkSpace(dirname(whole));
  const partial = `${whole}${PARTIAL}`;
  const file = await create(options.target ?? systemFolder, partial);
  try {
    const length = await work.write(new SparseWriter(file, partial));
    await file.close();
    checkCancelled(signal);
    await checkPlace(path, whole, overwrite);
    await commit(partial, whole);
    return { path: whole, length };
  } catch (error) {
    await file.close().catch(() => undefined);
    await rm(partial, { force: true }).catch(() => undefined);
    throw signal.aborted ? cancelled() : writeFault(error, partial);
  }
}

/**
 * A stream as a file.
 * @throws Fault as makeWholeFile, and what the stream throws
 */
export async function streamToFile(
  pieces: AsyncIterable<Buffer>,
  path: string,
  options: WholeFileOptions,
): Promise<ExportedFile> {
  const target = options.target ?? systemFolder;
  return makeWholeFile(path, options, {
    checkSpace: async (folder) => {
      const free = await target.free(folder).catch((error: unknown) => {
        throw writeFault(error, folder);
      });
      if (free > EXPORT_RESERVE_BYTES) return;
      const details = { field: 'path', value: free, expected: `${EXPORT_RESERVE_BYTES} bytes` };
      throw new Fault('NO_SPACE', `${folder}: has ${free} bytes free`, details);
    },
    write: async (writer) => {
      let length = 0;
      for await (const piece of pieces) {
        checkCancelled(options.signal);
        await writer.write(piece, length);
        length += piece.length;
      }
      await writer.finish(length);
      return length;
    },
  });
}

function checkCancelled(signal: AbortSignal): void {
  if (signal.aborted) throw cancelled();
}

/** The folder is there, and the name is free or may be taken. */
async function checkPlace(path: string, whole: string, overwrite: boolean): Promise<void> {
  if (path === '' || path.includes('\0') || path.endsWith('/') || basename(whole) === '') {
    throw invalid('path', path, 'the name of a file');
  }
  const folder = dirname(whole);
  const place = await orUndefined(stat(folder), folder);
  if (place === undefined) {
    const details = { field: 'path', value: path, expected: 'a folder that exists' };
    throw new Fault('NOT_FOUND', `${path}: there is no folder ${folder}`, details);
  }
  if (!place.isDirectory()) throw invalid('path', path, `a folder, which ${folder} is not`);
  const there = await orUndefined(lstat(whole), whole);
  if (there === undefined) return;
  if (!there.isFile()) throw invalid('path', path, 'a file, or a name that is free');
  if (overwrite) return;
  const details = { field: 'path', value: path, expected: 'a name that is free, or overwrite' };
  throw new Fault('ALREADY_EXISTS', `${path}: the file exists`, details);
}

async function orUndefined<T>(result: Promise<T>, path: string): Promise<T | undefined> {
  try {
    return await result;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT') return undefined;
    if (code === 'ENOTDIR' || code === 'ENAMETOOLONG' || code === 'ELOOP') {
      throw invalid('path', path, `a path that exists (${code})`);
    }
    throw writeFault(error, path);
  }
}

async function create(target: TargetFolder, partial: string): Promise<TargetFile> {
  try {
    return await target.create(partial);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code !== 'EEXIST') throw writeFault(error, partial);
    const message = `${partial}: another export writes it, or was ended while it did; then remove it`;
    const details = { field: 'path', value: partial, expected: 'no such file' };
    throw new Fault('IN_USE', message, details, { cause: error });
  }
}

/** The name is durable as well when it settles. */
async function commit(partial: string, whole: string): Promise<void> {
  await rename(partial, whole);
  await syncPath(dirname(whole));
}
