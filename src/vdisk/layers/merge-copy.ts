import type { MaybePromise } from '../../base/index.ts';
import type { BlockDevice } from '../../block/index.ts';
import { Fault } from '../../errors/index.ts';
import { ManifestCursor } from '../manifest/index.ts';
import { bytesOf, type ChunkWindow, forEachWindow } from './chunk-windows.ts';
import { type DamagedChunk, damageOf } from './damage.ts';
import type { LayeredDisk } from './layer-chain.ts';
import type { LayerProgress } from './layer-work.ts';
import { FLUSH_EVERY_BYTES } from './limits.ts';
import { writeAll } from './whole-io.ts';

export interface MergeCopy {
  readonly disk: LayeredDisk;
  /** What is looked at. */
  readonly chunks: Uint8Array;
  /** Blocks of it are copied when their source is this one or a higher one. */
  readonly leastSource: number;
  /** Reads as zeroes at first. */
  readonly target: BlockDevice;
  /** Path of the manifest that the chunks must agree with. */
  readonly manifest: string;
  /** Called for every chunk that is not all zeroes, in rising order. */
  readonly name: (chunk: number, hash: Buffer) => MaybePromise<void>;
  readonly checkCancelled: () => void;
  /** Called after every flush. @throws Fault NO_SPACE */
  readonly checkSpace: () => Promise<void>;
  readonly progress: (progress: LayerProgress) => void;
}

/** Bytes [start, end) of the disk, which are at `at` in the window. */
interface Piece {
  readonly start: number;
  readonly at: number;
  end: number;
}

/**
 * Copies chunks, each after it was compared with the manifest. On stable storage when it settles.
 * @throws Fault IMAGE_INVALID for the first chunk that is not what the manifest says
 */
export async function copyChunks(copy: MergeCopy): Promise<void> {
  const { disk, chunks, target, checkCancelled } = copy;
  const bytesTotal = bytesOf(chunks, disk.size);
  let bytesDone = 0;
  let unflushed = 0;
  const cursor = await ManifestCursor.open(copy.manifest);
  try {
    const source = { device: disk.device, chunks, checkCancelled };
    await forEachWindow(source, async (window) => {
      for (const chunk of window.chunks) {
        const damage = damageOf(chunk, await cursor.hashOf(chunk.chunk), disk);
        if (damage !== undefined) throw refusal(damage);
        if (chunk.hash !== undefined) await copy.name(chunk.chunk, chunk.hash);
        bytesDone += chunk.length;
      }
      for (const { start, end, at } of piecesOf(window, copy)) {
        await writeAll(target, window.bytes.subarray(at, at + end - start), start);
        unflushed += end - start;
      }
      if (unflushed >= FLUSH_EVERY_BYTES) {
        unflushed = 0;
        await target.flush();
        await copy.checkSpace();
      }
      copy.progress({ bytesDone, bytesTotal });
    });
    await target.flush();
  } finally {
    await cursor.close();
  }
}

/** What of a window is written, in few and long pieces. Chunks of zeroes are there already. */
function piecesOf(window: ChunkWindow, { disk, leastSource }: MergeCopy): readonly Piece[] {
  const pieces: Piece[] = [];
  for (const { hash, offset, length, at } of window.chunks) {
    if (hash === undefined) continue;
    const end = offset + length;
    for (let start = offset; start < end; ) {
      const next = disk.sources.runEnd(start, end);
      if (disk.sources.sourceAt(start) >= leastSource) {
        // What follows on the disk follows in the window.
        const last = pieces.at(-1);
        if (last?.end === start) last.end = next;
        else pieces.push({ start, end: next, at: at + start - offset });
      }
      start = next;
    }
  }
  return pieces;
}

function refusal(damage: DamagedChunk): Fault {
  const message = `${damage.message}; a chain that is damaged is not merged`;
  return new Fault('IMAGE_INVALID', message, {
    field: 'chunk',
    value: damage.chunk,
    expected: damage.expected ?? 'zeroes',
  });
}
