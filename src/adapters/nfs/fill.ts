/** Makes a range of a file occupy its space: there is no ALLOCATE before NFSv4.2, so zeroes are written. */
import { forEachOf } from '../../base/index.ts';
import { ZEROES_BYTES } from '../../block/index.ts';
import { ArrayError, BlockError } from '../../errors/index.ts';
import { type CallOptions, checkNotCancelled } from '../../repositories/index.ts';
import { DataFile } from './file/data-file.ts';
import type { WriteMemory } from './file/write-memory.ts';
import { PARTS_AT_ONCE, THICK_PIECE_BYTES } from './limits.ts';
import type { NfsShare } from './share/share.ts';
import { transferBytes } from './volume-data.ts';
import type { FoundFile } from './wire/attributes.ts';

export interface Filling {
  readonly file: string;
  readonly found: FoundFile;
  readonly start: number;
  readonly end: number;
}

/** @throws ArrayError CANCELLED, NO_SPACE; NfsError, RpcFailure */
export async function fillWithZeroes(
  share: NfsShare,
  memory: WriteMemory,
  { file, found, start, end }: Filling,
  { signal, progress }: CallOptions,
): Promise<void> {
  const { writeMost, writeBest } = await share.limits();
  const data = new DataFile({
    share,
    open: await share.open(file, found, true),
    memory,
    readMost: 0,
    writeMost: transferBytes(undefined, writeMost, writeBest),
    onBroken: () => undefined,
  });
  const step = Math.min(data.writeMost, ZEROES_BYTES);
  try {
    for (let at = start; at < end; at += THICK_PIECE_BYTES) {
      checkNotCancelled(signal);
      const to = Math.min(end, at + THICK_PIECE_BYTES);
      await forEachOf(steps(at, to, step), PARTS_AT_ONCE, ([from, count]) =>
        data.zero(from, count),
      );
      await data.flush();
      progress?.((to - start) / (end - start));
    }
  } catch (error) {
    if (error instanceof BlockError && error.errno === 'ENOSPC') {
      throw new ArrayError('NO_SPACE', 'the file system is full', { cause: error });
    }
    throw error;
  } finally {
    await data.close().catch(() => undefined); // the failure that matters is on its way
  }
}

function* steps(
  start: number,
  end: number,
  step: number,
): Generator<readonly [from: number, count: number]> {
  for (let at = start; at < end; at += step) yield [at, Math.min(step, end - at)];
}
