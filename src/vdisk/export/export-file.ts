/**
 * A disk as a file in one of the formats. Read first.
 *
 * One pass over the disk; what the file begins with is written last. It is written under the name
 * `<path>.partial`, made durable and renamed, so that a file of the right name is whole; an export
 * that fails or is cancelled removes it. One that the process did not survive leaves it behind, and
 * the next export to the same path says so and touches nothing: it could be somebody's who is still
 * writing.
 */
import { lstat, open, rename, rm, stat } from 'node:fs/promises';
import { basename, dirname, resolve } from 'node:path';
import { Fault } from '../../errors/index.ts';
import { readAhead, readWindow, windowsWith } from './disk-windows.ts';
import { cancelled, invalid, writeFault } from './export-fault.ts';
import { checkRequest, type ExportOptions, type ExportSource } from './export-request.ts';
import type { ImageBody } from './image-body.ts';
import { Pass } from './pass.ts';
import { qcow2Body } from './qcow2-image.ts';
import { checkSpace } from './space-needed.ts';
import { SparseWriter } from './sparse-writer.ts';
import { systemFolder, type TargetFile, type TargetFolder } from './target-file.ts';
import { vhdBody } from './vhd-image.ts';

export interface ExportFileOptions extends ExportOptions {
  /** Whether a file that has this name already is replaced, once the new one is whole. */
  readonly overwrite?: boolean | undefined;
  /** The system's, unless given. */
  readonly target?: TargetFolder | undefined;
}

export interface ExportedFile {
  /** Absolute. */
  readonly path: string;
  /** Bytes of the file; where they are zeroes it has holes. */
  readonly length: number;
}

const PARTIAL = '.partial';

/**
 * @throws Fault INVALID_INPUT, LIMIT_EXCEEDED, NOT_FOUND (the folder), ALREADY_EXISTS, IN_USE (a partial
 *   file is there), PERMISSION_DENIED, NO_SPACE, CANCELLED, UNAVAILABLE (a disk fails)
 */
export async function exportFile(
  source: ExportSource,
  path: string,
  options: ExportFileOptions,
): Promise<ExportedFile> {
  checkRequest(source, options);
  const target = options.target ?? systemFolder;
  const whole = resolve(path);
  const pass = new Pass(options, source.size);
  pass.check();
  await checkPlace(path, whole, options.overwrite === true);
  await checkSpace(source, options, dirname(whole), target, pass);
  const partial = `${whole}${PARTIAL}`;
  const file = await create(target, partial);
  try {
    const length = await writeImage(source, new SparseWriter(file, partial), options, pass);
    await file.close();
    pass.check();
    await checkPlace(path, whole, options.overwrite === true);
    await commit(partial, whole);
    return { path: whole, length };
  } catch (error) {
    await file.close().catch(() => undefined);
    await rm(partial, { force: true }).catch(() => undefined);
    throw options.signal.aborted ? cancelled() : writeFault(error, partial);
  }
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
  const folder = await open(dirname(whole), 'r');
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}

/** @returns the length of the file */
async function writeImage(
  source: ExportSource,
  writer: SparseWriter,
  options: ExportOptions,
  pass: Pass,
): Promise<number> {
  const { parent, timestamp } = options;
  switch (options.format) {
    case 'raw':
      return writeRaw(source, writer, pass);
    case 'qcow2':
      return writeBody(qcow2Body(source, options.compress !== false, pass), writer);
    case 'vhd':
      return writeBody(vhdBody({ source, parent, timestamp }, pass), writer);
  }
}

async function writeRaw(source: ExportSource, writer: SparseWriter, pass: Pass): Promise<number> {
  const { size, presentChunks } = source;
  const load = (offset: number) => readWindow(source, presentChunks, offset);
  for await (const window of readAhead(windowsWith(presentChunks, size, pass), load)) {
    await writer.write(window.bytes.subarray(0, window.end - window.offset), window.offset);
    await pass.step(window.end, window.bytes.length);
  }
  await pass.step(size, 0);
  await writer.finish(size);
  return size;
}

async function writeBody(body: ImageBody, writer: SparseWriter): Promise<number> {
  let length = body.headBytes;
  for await (const piece of body.pieces()) {
    await writer.write(piece, length);
    length += piece.length;
  }
  await writer.write(body.head(), 0);
  await writer.finish(length);
  return length;
}
