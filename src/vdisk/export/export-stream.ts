/**
 * A disk as a stream of bytes in one of the formats, for HTTP and pipes: nothing is ever taken back,
 * nothing is kept on disk. Read first.
 *
 * `exportStream` makes the plan, after which the length is known to the byte; the bytes follow when
 * they are asked for. What the plan costs:
 *
 *   raw              nothing
 *   qcow2            the map of present chunks is gone through; the disk is not read
 *   qcow2, zstd      the disk is read and compressed; a second time when the bytes are asked for
 *   VHD              one chunk of every block with data is read
 *   VHD, differences the disks are compared, each block up to the first difference
 *
 * Memory: a window of 2 MiB that is being delivered and one that is being read ahead (two more of the
 * parent, where there is one). While nobody asks, nothing runs.
 */
import { ZEROES } from '../../block/index.ts';
import { readAhead, readWindow, windowsWith } from './disk-windows.ts';
import { changedUnderUs } from './export-fault.ts';
import { checkRequest, type ExportOptions, type ExportSource } from './export-request.ts';
import type { ImagePlan } from './image-body.ts';
import { Pass } from './pass.ts';
import { planCompressed, planPlain } from './qcow2-image.ts';
import { planVhd } from './vhd-image.ts';

export interface ExportStream extends AsyncIterable<Buffer> {
  /** Bytes of all pieces together. */
  readonly length: number;
}

/**
 * The pieces have any size up to about 2 MiB and are not to be written to: zeroes are shared. The
 * stream may be read several times. A reader that stops early leaves nothing behind.
 * Settles when the plan is made, which takes its time where the disk must be read for it.
 * @throws Fault INVALID_INPUT, LIMIT_EXCEEDED, CANCELLED, UNAVAILABLE (the disk cannot be read);
 *   the last two also while the stream is read
 */
export async function exportStream(
  source: ExportSource,
  options: ExportOptions,
): Promise<ExportStream> {
  checkRequest(source, options);
  const { format, parent, timestamp } = options;
  switch (format) {
    case 'raw': {
      const pass = new Pass(options, source.size);
      return { length: source.size, [Symbol.asyncIterator]: () => rawPieces(source, pass) };
    }
    case 'qcow2': {
      if (options.compress === false) {
        const pass = new Pass(options, source.size);
        return planned(await planPlain(source, { plan: pass, body: pass }));
      }
      return planned(await planCompressed(source, twoPasses(options, source.size)));
    }
    case 'vhd': {
      const passes = twoPasses(options, source.size);
      return planned(await planVhd({ source, parent, timestamp }, passes));
    }
  }
}

function twoPasses(options: ExportOptions, size: number): { plan: Pass; body: Pass } {
  return { plan: new Pass(options, size, 0, 2), body: new Pass(options, size, 1, 2) };
}

function planned(plan: ImagePlan): ExportStream {
  return { length: plan.length, [Symbol.asyncIterator]: () => plannedPieces(plan) };
}

/** The head first, which the body then has to keep. */
async function* plannedPieces(plan: ImagePlan): AsyncGenerator<Buffer, void> {
  yield plan.head;
  const body = plan.body();
  yield* body.pieces();
  // The head says where everything is: where it is the same, so is the length.
  if (!body.head().equals(plan.head)) throw changedUnderUs();
}

async function* rawPieces(source: ExportSource, pass: Pass): AsyncGenerator<Buffer, void> {
  const { size, presentChunks } = source;
  let at = 0;
  const load = (offset: number) => readWindow(source, presentChunks, offset);
  for await (const window of readAhead(windowsWith(presentChunks, size, pass), load)) {
    yield* zeroPieces(at, window.offset, pass);
    at = window.end;
    await pass.step(at, window.bytes.length);
    yield window.bytes.subarray(0, window.end - window.offset);
  }
  yield* zeroPieces(at, size, pass);
}

async function* zeroPieces(start: number, end: number, pass: Pass): AsyncGenerator<Buffer, void> {
  for (let at = start; at < end; ) {
    const piece = ZEROES.subarray(0, Math.min(ZEROES.length, end - at));
    at += piece.length;
    await pass.step(at, piece.length);
    yield piece;
  }
}
