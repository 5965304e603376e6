import type { Log } from '../log.ts';
import type { OpenStorage, WorkerBarrier } from '../storage/index.ts';
import { REPLICATION_CACHE_BYTES } from './limits.ts';
import { ReplicationThread } from './replication-thread.ts';

/**
 * Starts the replication thread.
 * @param parts.worker its number: behind those of the data workers
 * @param parts.fail called when it dies
 */
export function openReplication(
  { storage, exports, repositories }: OpenStorage,
  barrier: WorkerBarrier,
  parts: {
    readonly log: Log;
    readonly worker: number;
    readonly fail: (error: Error) => void;
  },
): ReplicationThread {
  const start = {
    worker: parts.worker,
    readCacheBytes: REPLICATION_CACHE_BYTES,
    logLevel: parts.log.level,
  };
  return new ReplicationThread(start, {
    plan: (what, options) => exports.openNamed(what, options),
    now: (plan) => exports.now(plan),
    released: (key, name) => void exports.release(key, name),
    storage,
    answer: (repositoryId, question) => repositories.answer(repositoryId, question),
    barrier: (worker, message) => barrier.receive(worker, message),
    died: parts.fail,
  });
}
