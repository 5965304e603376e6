/**
 * A body becomes the content of a disk. Nothing is taken back: an import that fails leaves what it has written by then,
 * as XenServer does; what the body held up to there is on the disk.
 */
import type { BlockDevice } from '../../block/index.ts';
import { ByteFeed } from './byte-feed.ts';
import { importChunked } from './chunked-import.ts';
import { DeviceWriter } from './device-writer.ts';
import type { ImageFormat } from './image-format.ts';
import type { ImportJob } from './image-target.ts';
import { QCOW2_SPOOL_BYTES_MAX } from './limits.ts';
import { Pace, type TransferHooks } from './pace.ts';
import { importQcow2 } from './qcow2-import.ts';
import { importRaw } from './raw-import.ts';
import { importTar } from './tar-import.ts';
import { importVhd } from './vhd-import.ts';

export interface ImportRequest extends TransferHooks {
  readonly format: ImageFormat;
  /** Raw only: the disk comes in frames (chunk-frame.ts). */
  readonly isChunked: boolean;
  readonly body: AsyncIterable<Buffer>;
  /** Bytes of the body, as announced; undefined: it ends when it ends. */
  readonly length: number | undefined;
  /** Written to, flushed and not closed. */
  readonly device: BlockDevice;
  /** The device is new and known to be all zeroes. */
  readonly isZeroed: boolean;
  /** For images that cannot be read as they come. Exists. */
  readonly temporaryFolder: string;
  /** Bytes; QCOW2_SPOOL_BYTES_MAX unless given. */
  readonly spoolBytesMax?: number;
}

/**
 * Settles when everything is on stable storage, and no sooner than anything of it has ended.
 * @throws Fault IMAGE_INVALID, IMAGE_UNSUPPORTED, NO_SPACE, CANCELLED; BlockError; what the body throws
 */
export async function importImage(request: ImportRequest): Promise<void> {
  const { device, length } = request;
  const isRepeated = request.format === 'raw' && request.isChunked;
  const writer = new DeviceWriter(device, request.isZeroed && !isRepeated);
  const feed = new ByteFeed(request.body);
  try {
    await decode(request, { feed, length, writer, pace: new Pace(request) });
    await writer.finish();
  } catch (error) {
    await writer.giveUp();
    throw error;
  } finally {
    await feed.close();
  }
}

function decode(request: ImportRequest, job: ImportJob): Promise<void> {
  const { temporaryFolder, spoolBytesMax = QCOW2_SPOOL_BYTES_MAX } = request;
  switch (request.format) {
    case 'raw':
      return request.isChunked ? importChunked(job) : importRaw(job);
    case 'vhd':
      return importVhd(job);
    case 'tar':
      return importTar(job);
    case 'qcow2':
      return importQcow2(job, { folder: temporaryFolder, bytesMax: spoolBytesMax });
  }
}
