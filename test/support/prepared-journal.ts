/** A flush journal whose segments have their space, so that the first flush goes through it. */
import type { BlockDevice } from '../../src/block/index.ts';
import { FlushJournal } from '../../src/vdisk/index.ts';
import { eventLoopTurns } from './content.ts';

export async function preparedJournal(
  segments: readonly [BlockDevice, BlockDevice],
  bootId: string,
  onStopped: () => void,
): Promise<FlushJournal> {
  const journal = new FlushJournal({ segments, bootId, onStopped });
  const nobody = { key: 'nobody', checkpoint: async () => {} };
  const data = Buffer.alloc(0);
  const record = { key: 'nobody', incarnation: 0n, sequence: 1, ranges: [], data };
  while (journal.append(nobody, record) === false) await eventLoopTurns(1);
  journal.leave(nobody);
  return journal;
}
