/** What may be asked of an export; checked before anything is read or made. */
import type { ReadableBlockDevice } from '../../block/index.ts';
import { Fault } from '../../errors/index.ts';
import { bitmapBytes } from '../manifest/index.ts';
import { invalid } from './export-fault.ts';
import { VHD_PARENT_NAME_MAX, VHD_PARENT_PATH_MAX, VHD_SIZE_MAX } from './limits.ts';
import type { ExportHooks } from './pass.ts';

/** A disk to be exported: sealed, so it never changes under us. */
export interface ExportSource {
  /** Bytes; a multiple of 512. */
  readonly size: number;
  /** Reads anywhere up to `size`; not closed by the export. */
  readonly device: ReadableBlockDevice;
  /** One bit per 64 KiB chunk, lowest bit first; clear: reads as zeroes. */
  readonly presentChunks: Uint8Array;
  /** Hex SHA-256 that names the content: what identifies an image in its format follows from it. */
  readonly contentId: string;
}

const EXPORT_FORMATS = ['raw', 'qcow2', 'vhd'] as const;

export type ExportFormat = (typeof EXPORT_FORMATS)[number];

/** The disk that a differencing VHD stands on: exported by us, or to be. */
export interface ExportParent {
  /** At most as large as the disk above it. */
  readonly source: ExportSource;
  /** The parent's name beside the child, without a folder. */
  readonly fileName: string;
  /** Absolute path of the parent on the Windows machine that will open the child, if it is known. */
  readonly windowsPath?: string | undefined;
  /** The timestamp that the parent was or will be exported with. */
  readonly timestamp?: Date | undefined;
  /** Chunks that may differ from the parent, as a bitmap; without it all are compared. */
  readonly changedChunks?: Uint8Array | undefined;
}

export interface ExportOptions extends ExportHooks {
  readonly format: ExportFormat;
  /** qcow2 only: clusters are compressed with zstd; true unless given. */
  readonly compress?: boolean | undefined;
  /** VHD only: the image holds what differs from this disk. */
  readonly parent?: ExportParent | undefined;
  /** VHD only: to the second, 2000 to 2136; the first second of 2000 unless given. */
  readonly timestamp?: Date | undefined;
}

const SECTOR_BYTES = 512;
const CONTENT_ID = /^[0-9a-f]{64}$/;

/** The second that VHD timestamps count from, in Unix time. */
const VHD_EPOCH = Date.UTC(2000, 0, 1) / 1000;

/** @throws Fault INVALID_INPUT, LIMIT_EXCEEDED */
export function checkRequest(source: ExportSource, options: ExportOptions): void {
  const { format, compress, parent, timestamp } = options;
  if (!EXPORT_FORMATS.includes(format)) {
    throw invalid('format', format, `one of ${EXPORT_FORMATS.join(', ')}`);
  }
  checkSource('source', source);
  if (format !== 'qcow2' && compress === true) {
    throw invalid('compress', compress, `false: only qcow2 is compressed, not ${format}`);
  }
  if (format !== 'vhd' && parent !== undefined) {
    throw invalid('parent', parent.fileName, `no parent: only VHD has differences, not ${format}`);
  }
  if (format === 'vhd') checkVhd(source, parent, timestamp);
}

function checkSource(field: string, source: ExportSource): void {
  const { size, device, presentChunks, contentId } = source;
  if (!Number.isSafeInteger(size) || size <= 0 || size % SECTOR_BYTES !== 0) {
    throw invalid(`${field}.size`, size, `a multiple of ${SECTOR_BYTES} bytes, not 0`);
  }
  if (size > device.geometry.size) {
    throw invalid(`${field}.size`, size, `at most ${device.geometry.size}, the device's size`);
  }
  if (presentChunks.length < bitmapBytes(size)) {
    const expected = `${bitmapBytes(size)} bytes or more`;
    throw invalid(`${field}.presentChunks.length`, presentChunks.length, expected);
  }
  if (!CONTENT_ID.test(contentId)) {
    throw invalid(`${field}.contentId`, contentId, '64 digits of lower-case hex');
  }
}

function checkVhd(
  source: ExportSource,
  parent: ExportParent | undefined,
  timestamp: Date | undefined,
): void {
  if (source.size > VHD_SIZE_MAX) {
    const expected = `at most ${VHD_SIZE_MAX} bytes (VHD_SIZE_MAX)`;
    const details = { field: 'source.size', value: source.size, expected };
    throw new Fault('LIMIT_EXCEEDED', `a VHD of ${source.size} bytes: ${expected}`, details);
  }
  vhdTimestamp('timestamp', timestamp);
  if (parent !== undefined) checkParent(source, parent);
}

function checkParent(source: ExportSource, parent: ExportParent): void {
  checkSource('parent.source', parent.source);
  if (parent.source.size > source.size) {
    throw invalid('parent.source.size', parent.source.size, `at most ${source.size}, the disk's`);
  }
  if (parent.source.contentId === source.contentId) {
    const expected = 'another content than the disk has: an image cannot be its own parent';
    throw invalid('parent.source.contentId', source.contentId, expected);
  }
  const { fileName, windowsPath, changedChunks } = parent;
  const plain = fileName.isWellFormed() && !/[/\\\0]/.test(fileName);
  const named = fileName !== '' && fileName !== '.' && fileName !== '..';
  if (!plain || !named || fileName.length > VHD_PARENT_NAME_MAX) {
    const expected = `a file's name without a folder, up to ${VHD_PARENT_NAME_MAX} UTF-16 units`;
    throw invalid('parent.fileName', fileName, expected);
  }
  if (windowsPath !== undefined) checkWindowsPath(windowsPath);
  if (changedChunks !== undefined && changedChunks.length < bitmapBytes(source.size)) {
    const expected = `${bitmapBytes(source.size)} bytes or more`;
    throw invalid('parent.changedChunks.length', changedChunks.length, expected);
  }
  vhdTimestamp('parent.timestamp', parent.timestamp);
}

function checkWindowsPath(path: string): void {
  const absolute = /^([A-Za-z]:\\|\\\\)[^\0]+$/.test(path) && path.isWellFormed();
  if (!absolute || path.length > VHD_PARENT_PATH_MAX) {
    const expected = `an absolute Windows path, up to ${VHD_PARENT_PATH_MAX} UTF-16 units`;
    throw invalid('parent.windowsPath', path, expected);
  }
}

/** Seconds since 2000, as a VHD has them. @throws Fault INVALID_INPUT */
export function vhdTimestamp(field: string, time: Date | undefined): number {
  if (time === undefined) return 0;
  const seconds = Math.floor(time.getTime() / 1000) - VHD_EPOCH;
  if (seconds >= 0 && seconds < 2 ** 32) return seconds;
  throw invalid(field, time, 'a time from 2000 to 2136');
}
