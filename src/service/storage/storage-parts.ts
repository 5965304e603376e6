import type { Catalog, Clock } from '../../control/index.ts';
import type { ArrayVolumes, NodeDiff, OpenVolumes, VolumeTrees } from '../../volumes/index.ts';
import type { ArrayChanges } from './array-changes.ts';
import type { AttachedRepositories } from './attached-repositories.ts';
import type { NativeSnapshots } from './native-snapshots.ts';
import type { Settlements } from './settlements.ts';

/** What the service's implementation of the control plane's storage port stands on. */
export interface StorageParts {
  readonly catalog: Catalog;
  readonly repositories: AttachedRepositories;
  readonly arrays: ArrayVolumes;
  readonly trees: VolumeTrees;
  readonly diff: NodeDiff;
  readonly open: OpenVolumes;
  readonly native: NativeSnapshots;
  readonly changes: ArrayChanges;
  readonly settlements: Settlements;
  readonly clock: Clock;
  readonly newId: () => string;
  readonly troubled: (what: string, error: unknown) => void;
  /** Ends the connections to a volume or snapshot, without waiting. */
  readonly endKey: (key: string) => void;
  /** Open NBD connections to the volume. */
  readonly connections: (volumeId: string) => number;
}
