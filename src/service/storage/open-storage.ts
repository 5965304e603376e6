/** Puts together what the service knows of storage repositories. */
import { randomUUID } from 'node:crypto';
import type { Catalog, Clock, VolumeName } from '../../control/index.ts';
import type { Adapter, AdapterLog } from '../../repositories/index.ts';
import {
  ArrayVolumes,
  type Barrier,
  NodeChains,
  NodeDiff,
  OpenVolumes,
  type TreeParts,
  VolumeTrees,
  volumeKey,
} from '../../volumes/index.ts';
import { ArrayChanges } from './array-changes.ts';
import { AttachedRepositories, type RepositoryWorkers } from './attached-repositories.ts';
import { catalogNodes } from './catalog-nodes.ts';
import { type EndExport, endConnections } from './end-connections.ts';
import { NativeSnapshots } from './native-snapshots.ts';
import { ServiceStorage } from './service-storage.ts';
import { Settlements } from './settlements.ts';
import { inFaults } from './storage-fault.ts';
import type { StorageParts } from './storage-parts.ts';
import { TrafficBook } from './traffic-book.ts';
import { VolumeExports } from './volume-exports.ts';
import { VolumeOperations } from './volume-operations.ts';

export interface StorageOptions {
  readonly adapters: readonly Adapter[];
  readonly catalog: Catalog;
  /** Names this boot of the host. */
  readonly bootId: string;
  /** How many threads serve exports. */
  readonly workers: number;
  readonly clock: Clock;
  readonly log: AdapterLog;
  readonly initiatorName: string;
  /** The service's data folder. */
  readonly ownFolder?: string;
  readonly barrier: Barrier;
  readonly toWorkers: RepositoryWorkers;
  readonly connections: (exportName: string) => number;
  readonly endExport: EndExport;
  /** A repository can be reached from now on. */
  readonly attached?: (repositoryId: string) => void;
  readonly newId?: () => string;
}

export interface OpenStorage {
  readonly storage: ServiceStorage;
  readonly exports: VolumeExports;
  readonly repositories: AttachedRepositories;
  readonly trees: VolumeTrees;
  readonly arrays: ArrayVolumes;
  readonly traffic: TrafficBook;
  /** @throws Fault UNAVAILABLE when one does not end */
  endConnections(volumeId: string): Promise<void>;
  /** @throws Fault IN_USE: a host that the array has mapped it to has it open for writing */
  refuseHosts(volume: VolumeName): Promise<void>;
  /** When no worker has anything open any more. */
  close(): Promise<void>;
}

export function openStorage(options: StorageOptions): OpenStorage {
  const { catalog, bootId, workers, clock, log, adapters, initiatorName } = options;
  const newId = options.newId ?? randomUUID;
  const troubled = (what: string, err: unknown): void => log.error({ err }, what);
  const repositories = new AttachedRepositories({
    adapterOf: (kind) => adapters.find((adapter) => adapter.kind === kind),
    parts: { log, clock: () => performance.now(), ownFolder: options.ownFolder },
    ...{ workers: options.toWorkers, initiatorName },
  });
  const store = catalogNodes(catalog);
  const portsOf = (repositoryId: string) => repositories.of(repositoryId);
  const isAttached = (repositoryId: string) => repositories.has(repositoryId);
  const arrays = new ArrayVolumes(store, newId);
  const open = new OpenVolumes(options.barrier);
  const chains = new NodeChains(store, portsOf, bootId);
  const shared: TreeParts = {
    ...{ store, arrays, portsOf, chains, open, bootId, workers, newId, troubled },
    isAttached,
  };
  const trees = new VolumeTrees(shared);
  const diff = new NodeDiff(shared);
  const traffic = new TrafficBook({ catalog, isAttached, workers });
  const exports = new VolumeExports({ catalog, repositories, trees, open, traffic, troubled });
  const changes = new ArrayChanges({ catalog, open });
  const parts: StorageParts = {
    ...{ catalog, repositories, arrays, trees, diff, open, clock, newId, troubled },
    native: new NativeSnapshots(arrays, newId),
    changes,
    settlements: new Settlements({ catalog, open, trees, changes, troubled }),
    endKey: (key) => {
      for (const name of exports.namesOf(key)) options.endExport(name, true);
    },
    connections: (volumeId) => {
      const counts = exports.namesOf(volumeKey(volumeId)).map(options.connections);
      return counts.reduce((sum, count) => sum + count, 0);
    },
  };
  const storage = new ServiceStorage({
    ...{ ...parts, adapters },
    attached: (repositoryId) => options.attached?.(repositoryId),
  });
  const volumes = new VolumeOperations(parts);
  const refuseHosts = (volume: VolumeName): Promise<void> =>
    inFaults(() => volumes.refuseUsed(volume));
  const close = async (): Promise<void> => {
    for (const error of await open.end()) troubled('closing what was still open', error);
    await trees.collector.close();
    await repositories.closeAll();
  };
  const namesOf = (key: string): readonly string[] => exports.namesOf(key);
  const end = (volumeId: string): Promise<void> =>
    endConnections(open, volumeId, { namesOf, end: options.endExport });
  const opened = { storage, exports, repositories, trees, arrays, traffic, refuseHosts };
  return { ...opened, endConnections: end, close };
}
