/**
 * A disk as a file in one of the formats: one pass over the disk; what the file begins with is written
 * last. Read first, then whole-file.ts.
 */
import { readAhead, readWindow, windowsWith } from './disk-windows.ts';
import { checkRequest, type ExportOptions, type ExportSource } from './export-request.ts';
import type { ImageBody } from './image-body.ts';
import { Pass } from './pass.ts';
import { qcow2Body } from './qcow2-image.ts';
import { checkSpace } from './space-needed.ts';
import type { SparseWriter } from './sparse-writer.ts';
import { systemFolder, type TargetFolder } from './target-file.ts';
import { vhdBody } from './vhd-image.ts';
import { type ExportedFile, makeWholeFile } from './whole-file.ts';

export interface ExportFileOptions extends ExportOptions {
  /** Whether a file that has this name already is replaced, once the new one is whole. */
  readonly overwrite?: boolean | undefined;
  /** The system's, unless given. */
  readonly target?: TargetFolder | undefined;
}

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
  const pass = new Pass(options, source.size);
  const { overwrite, signal } = options;
  return makeWholeFile(
    path,
    { overwrite, target, signal },
    {
      checkSpace: (folder) => checkSpace(source, options, folder, target, pass),
      write: (writer) => writeImage(source, writer, options, pass),
    },
  );
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
