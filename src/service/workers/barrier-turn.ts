/** A thread's part of the barrier (storage/worker-barrier.ts): what it does when it is told to, and says then. */
import type { ExportTable } from '../../exports/index.ts';
import type { VolumeSources } from '../storage/volume-sources.ts';
import type { FromWorker, ToWorker } from './messages.ts';

export async function holdExports(
  exports: ExportTable,
  { turn, keys, flush }: Extract<ToWorker, { kind: 'hold' }>,
): Promise<Extract<FromWorker, { kind: 'held' }>> {
  let failure: string | undefined;
  try {
    await exports.hold(keys, { flush });
  } catch (error) {
    failure = (error as Error).message;
  }
  return { kind: 'held', turn, failure };
}

export async function resumeExports(
  exports: ExportTable,
  { turn, keys, plans }: Extract<ToWorker, { kind: 'resume' }>,
): Promise<Extract<FromWorker, { kind: 'resumed' }>> {
  const failed = await exports.resume(keys, plans);
  return {
    kind: 'resumed',
    turn,
    failed: failed.map(({ key, error }) => ({ key, message: String(error) })),
  };
}

export async function partFrom(
  sources: Pick<VolumeSources, 'disconnect'>,
  { turn, repositoryId }: Extract<ToWorker, { kind: 'disconnect' }>,
): Promise<Extract<FromWorker, { kind: 'parted' }>> {
  await sources.disconnect(repositoryId);
  return { kind: 'parted', turn };
}
