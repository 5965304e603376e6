/** Storage repositories, and the thread that replicates between them: what the control thread has of both. */
import { hostname } from 'node:os';
import type { Catalog, Clock, ReplicationParts } from '../control/index.ts';
import type { DataFolder } from './data-folder.ts';
import { LayerPlans } from './layer-plans.ts';
import type { LayerShelf } from './layer-shelf.ts';
import type { Log } from './log.ts';
import {
  arrayLinks,
  openReplication,
  type ReplicationThread,
  type ToAllThreads,
} from './replication/index.ts';
import {
  ADAPTERS,
  type LayerRepositories,
  type OpenStorage,
  openStorage,
  WorkerBarrier,
} from './storage/index.ts';
import type { WorkerPool } from './workers/worker-pool.ts';
import { ServiceDisks } from './xen/index.ts';

export interface OpenRepositories {
  readonly storage: OpenStorage;
  readonly barrier: WorkerBarrier;
  readonly replicator: ReplicationThread;
  /** Blocks for XenAPI, in this thread. */
  readonly disks: ServiceDisks;
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
  readonly folder: Pick<DataFolder, 'path'>;
  readonly catalog: Catalog;
  readonly clock: Clock;
  readonly log: Log;
  readonly bootId: string;
  readonly workers: number;
  readonly repository: Pick<LayerRepositories, 'data'>;
  readonly layers: LayerShelf;
  readonly fail: (error: Error) => void;
}): OpenRepositories {
  const { catalog, clock, log, bootId, workers, fail } = parts;
  let pool: WorkerPool | undefined;
  let attached: (repositoryId: string) => void = () => undefined;
  const tellAll = (message: ToAllThreads): void => {
    pool?.tellAll(message);
    replicator.tell(message);
    disks.tell(message);
  };
  const barrier = new WorkerBarrier({
    planOf: (key, content) => storage.exports.planOf(key, content),
    failed: (key, message) => {
      log.error({ volume: key, reason: message }, 'a volume could not go on after a snapshot');
      for (const name of storage.exports.namesOf(key)) pool?.endExport(name, true);
    },
  });
  const storage: OpenStorage = openStorage({
    ...{ adapters: ADAPTERS, catalog, bootId, clock, barrier, ownFolder: parts.folder.path },
    // Those of the pool, the one that replicates, and this one.
    workers: workers + 2,
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
  const disks = new ServiceDisks({
    ...{ catalog, storage, volumes: parts.repository.data },
    layers: new LayerPlans(parts.layers, storage.traffic),
    worker: workers + 1,
    answer: (worker, message) => barrier.receive(worker, message),
    onFull: (name, reason) => log.warn({ name, reason }, 'a volume that XenAPI writes is full'),
  });
  const reachWorkers = (started: WorkerPool): void => {
    pool = started;
    barrier.attach({ size: started.size + 2, tellAll });
  };
  const whenAttached = (listener: typeof attached): void => {
    attached = listener;
  };
  return { storage, barrier, replicator, disks, reachWorkers, whenAttached };
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
