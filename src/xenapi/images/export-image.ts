/** A disk becomes a stream of bytes, which is read as it is taken away. Memory: a few windows, and a bit for each block. */
import { VHD_SIZE_MAX } from '../../vdisk/index.ts';
import type { BaseDisk, ExportJob, ImageDisk, ImageStream } from './export-source.ts';
import type { ImageFormat } from './image-format.ts';
import { Pace, type TransferHooks } from './pace.ts';
import { exportQcow2 } from './qcow2-export.ts';
import { exportRaw } from './raw-export.ts';
import { exportTar } from './tar-export.ts';
import { exportVhd } from './vhd-export.ts';

export interface ExportRequest extends TransferHooks {
  readonly format: ImageFormat;
  /** Not closed. */
  readonly disk: ImageDisk;
  /** VHD and qcow2: only what differs from this disk, which may be smaller or larger. Not closed. */
  readonly base: BaseDisk | undefined;
  /** Milliseconds of a clock that never goes back. */
  readonly now: () => number;
}

/**
 * What a format cannot hold, known before anything is read.
 * @returns the largest disk in bytes, or undefined when it can be exported
 */
export function exportRefusal(format: ImageFormat, size: number): number | undefined {
  return format === 'vhd' && size > VHD_SIZE_MAX ? VHD_SIZE_MAX : undefined;
}

/**
 * Settles when it is known what the image holds, for which the disks may have to be read (SURVEY_MS_MAX).
 * @throws BlockError, Fault CANCELLED; so do the pieces
 */
export async function exportImage(request: ExportRequest): Promise<ImageStream> {
  const { disk, base, now } = request;
  const pace = new Pace(request);
  const { length, pieces } = await imageOf(request.format, { disk, base, pace, now });
  return { length, pieces: toTheEnd(pieces, pace) };
}

async function* toTheEnd(pieces: AsyncGenerator<Buffer>, pace: Pace): AsyncGenerator<Buffer> {
  yield* pieces;
  pace.reach(1, 1);
}

function imageOf(format: ImageFormat, job: ExportJob): ImageStream | Promise<ImageStream> {
  switch (format) {
    case 'raw':
      return exportRaw(job);
    case 'vhd':
      return exportVhd(job);
    case 'tar':
      return exportTar(job);
    case 'qcow2':
      return exportQcow2(job);
  }
}
