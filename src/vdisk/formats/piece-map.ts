/**
 * Formats that map the disk in pieces (qcow2, VHD) share how pieces become runs and reads. A format
 * says where one piece lies; this file walks.
 */
import { isPromise, type MaybePromise } from '../../base/index.ts';
import type { ImageReader, Run } from './image-reader.ts';
import { RUN_PIECES_MAX } from './limits.ts';

/** Where the bytes at an offset are. `length` counts from the offset asked for; at least 1. */
export type Piece =
  | { readonly kind: 'zero'; readonly length: number }
  /** In the parent, or zeroes when there is none. */
  | { readonly kind: 'parent'; readonly length: number }
  /** As it is, at `at` of the file that holds the data. */
  | { readonly kind: 'stored'; readonly length: number; readonly at: number }
  /** Inside something that must be unpacked; `token` means something to the format only. */
  | { readonly kind: 'packed'; readonly length: number; readonly token: bigint };

export interface PieceMap {
  locate(offset: number, length: number): MaybePromise<Piece>;
  readStored(target: Buffer, at: number): Promise<void>;
  readPacked(target: Buffer, offset: number, token: bigint): Promise<void>;
}

export async function runOfPieces(
  map: PieceMap,
  parent: ImageReader | undefined,
  offset: number,
  length: number,
): Promise<Run> {
  let done = 0;
  let kind: Run['kind'] | undefined;
  for (let pieces = 0; pieces < RUN_PIECES_MAX && done < length; pieces += 1) {
    const located = map.locate(offset + done, length - done);
    const piece = isPromise(located) ? await located : located;
    let next: Run;
    if (piece.kind === 'parent') next = await runOfParent(parent, offset + done, piece.length);
    else next = { length: piece.length, kind: piece.kind === 'zero' ? 'zero' : 'data' };
    if (kind !== undefined && kind !== next.kind) break;
    kind = next.kind;
    done += next.length;
  }
  return { length: done, kind: kind ?? 'zero' };
}

/** A parent may be smaller than its child: beyond its end the child reads as zeroes. */
async function runOfParent(
  parent: ImageReader | undefined,
  offset: number,
  length: number,
): Promise<Run> {
  if (parent === undefined || offset >= parent.size) return { length, kind: 'zero' };
  return parent.run(offset, Math.min(length, parent.size - offset));
}

export async function readPieces(
  map: PieceMap,
  parent: ImageReader | undefined,
  target: Buffer,
  offset: number,
): Promise<void> {
  let done = 0;
  while (done < target.length) {
    const piece = await map.locate(offset + done, target.length - done);
    switch (piece.kind) {
      case 'zero':
        target.fill(0, done, done + piece.length);
        done += piece.length;
        break;
      case 'parent':
        await readParent(parent, target.subarray(done, done + piece.length), offset + done);
        done += piece.length;
        break;
      case 'packed':
        await map.readPacked(
          target.subarray(done, done + piece.length),
          offset + done,
          piece.token,
        );
        done += piece.length;
        break;
      case 'stored': {
        const length = await contiguous(map, piece, offset + done, target.length - done);
        await map.readStored(target.subarray(done, done + length), piece.at);
        done += length;
        break;
      }
    }
  }
}

/** Clusters that follow each other in the file are read by one call. */
async function contiguous(
  map: PieceMap,
  first: { readonly length: number; readonly at: number },
  offset: number,
  length: number,
): Promise<number> {
  let done = first.length;
  while (done < length) {
    const next = await map.locate(offset + done, length - done);
    if (next.kind !== 'stored' || next.at !== first.at + done) break;
    done += next.length;
  }
  return done;
}

async function readParent(
  parent: ImageReader | undefined,
  target: Buffer,
  offset: number,
): Promise<void> {
  const inside = parent === undefined ? 0 : Math.min(target.length, parent.size - offset);
  if (parent !== undefined && inside > 0) await parent.read(target.subarray(0, inside), offset);
  target.fill(0, Math.max(inside, 0));
}
