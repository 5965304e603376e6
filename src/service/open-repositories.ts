/** Storage repositories, and the thread that replicates between them: what the control thread has of both. */
import { hostname } from 'node:os';
import type { Catalog, Clock, ReplicationParts } from '../control/index.ts';
import type { Log } from './log.ts';
import {
  arrayLinks,
  openReplication,
  type ReplicationThread,
  type ToAllThreads,
} from './replication/index.ts';
import { ADAPTERS, type OpenStorage, openStorage, WorkerBarrier } from './storage/index.ts';
import type { WorkerPool } from './workers/worker-pool.ts';

export interface OpenRepositories {
  readonly storage: OpenStorage;
  readonly barrier: WorkerBarrier;
  readonly replicator: ReplicationThread;
  /** Called when there are workers. */
  readonly reachWorkers: (pool: WorkerPool) => void;
  /** Called with each repository that can be reached from then on. */
  readonly whenAttached: (listener: (repositoryId: string) => void) => void;
}

/**
 * @param parts.workers of the pool
 * @param parts.fail called when the replication thread dies
 */
export function openRepositories(parts: {
  readonly catalog: Catalog;
  readonly clock: Clock;
  readonly log: Log;
  readonly bootId: string;
  readonly workers: number;
  readonly fail: (error: Error) => void;
}): OpenRepositories {
  const { catalog, clock, log, bootId, workers, fail } = parts;
  let pool: WorkerPool | undefined;
  let attached: (repositoryId: string) => void = () => undefined;
  const tellAll = (message: ToAllThreads): void => {
    pool?.tellAll(message);
    replicator.tell(message);
  };
  const barrier = new WorkerBarrier({
    planOf: (key, content) => storage.exports.planOf(key, content),
    failed: (key, message) => {
      log.error({ volume: key, reason: message }, 'a volume could not go on after a snapshot');
      const name = storage.exports.nameOf(key);
      if (name !== undefined) pool?.endExport(name, true);
    },
  });
  const storage: OpenStorage = openStorage({
    ...{ adapters: ADAPTERS, catalog, bootId, clock, barrier },
    // Those of the pool, and the one that replicates.
    workers: workers + 1,
    log: log.child({ name: 'storage' }),
    initiatorName: `iqn.2026-01.dev.rootcast:${hostname().toLowerCase()}`,
    toWorkers: {
      connect: (adapter, connection) => tellAll({ kind: 'connect', adapter, connection }),
      disconnect: (repositoryId) => barrier.part(repositoryId),
    },
    attached: (repositoryId) => attached(repositoryId),
    connections: (exportName) => pool?.connectionsOf(exportName).length ?? 0,
    endExport: (exportName, atOnce) => pool?.endExport(exportName, atOnce),
  });
  const replicator = openReplication(storage, barrier, { log, worker: workers, fail });
  const reachWorkers = (started: WorkerPool): void => {
    pool = started;
    barrier.attach({ size: started.size + 1, tellAll });
  };
  const whenAttached = (listener: typeof attached): void => {
    attached = listener;
  };
  return { storage, barrier, replicator, reachWorkers, whenAttached };
}

/** What replication asks of the service. */
export function replicationParts(
  replicator: ReplicationThread,
  storage: OpenStorage,
): ReplicationParts {
  return {
    replicator,
    links: arrayLinks(storage.repositories),
    endConnections: (volumeId) => storage.endConnections(volumeId),
  };
}
