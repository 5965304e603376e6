/** What happens to replicas of vDisks by itself: new layers are copied, unwanted copies go, and it is told who serves. */
import { Fault } from '../../errors/index.ts';
import type { VdiskReplicaRecord } from '../catalog/replica-table.ts';
import type { Control } from '../control.ts';
import {
  MAX_VDISK_REPLICA_RUNS,
  VDISK_REPLICA_RETRY_MS,
  VDISK_REPLICAS_EVERY_MS,
} from '../limits.ts';
import { repositoryName } from '../storage/names.ts';
import { copyToRead, isReachable, type Reach } from './copies-of-layer.ts';
import { isCopying, startCopying } from './copy-layers.ts';
import { removeUnwantedCopies } from './remove-copies.ts';
import { layersOfVdisk, missingLayers } from './wanted-copies.ts';

/** Called by the service's ticker, about once a second. */
export class VdiskReplicaObserver {
  readonly #control: Control;
  readonly #failed: (error: unknown) => void;
  #observedAt = Number.NEGATIVE_INFINITY;
  /** When a replica was last begun, by vDisk and repository: one that fails is not begun again at once. */
  readonly #begunAt = new Map<string, number>();
  /** The repositories whose copies serve a vDisk instead of its own, by its id; as it was told. */
  readonly #told = new Map<string, string>();
  #removing: Promise<unknown> | undefined;

  /** @param failed what could not be looked at, for the log */
  constructor(control: Control, failed: (error: unknown) => void) {
    this.#control = control;
    this.#failed = failed;
  }

  observe(now: number): void {
    if (now - this.#observedAt < VDISK_REPLICAS_EVERY_MS) return;
    this.#observedAt = now;
    const wanted = this.#control.catalog.replicas.wanted();
    // Also of those that are wanted no more: copies serve as long as somebody reads them, and then it is told.
    const vdiskIds = new Set([...this.#told.keys(), ...wanted.map((one) => one.vdiskId)]);
    for (const vdiskId of vdiskIds) this.#tellServing(vdiskId);
    const keys = new Set(wanted.map(keyOf));
    for (const key of this.#begunAt.keys()) if (!keys.has(key)) this.#begunAt.delete(key);
    for (const replica of wanted) this.#copy(replica, now);
    this.#removing ??= removeUnwantedCopies(this.#control)
      .catch(this.#failed)
      .finally(() => {
        this.#removing = undefined;
      });
  }

  /** Settles when nothing is being removed any more. */
  async close(): Promise<void> {
    await this.#removing;
  }

  #copy(replica: VdiskReplicaRecord, now: number): void {
    const control = this.#control;
    const key = keyOf(replica);
    if (replica.paused || control.replicaRuns.size >= MAX_VDISK_REPLICA_RUNS) return;
    if (isCopying(control, replica) || !isReachable(reachOf(control), replica.repositoryId)) return;
    if (missingLayers(control.catalog, replica).length === 0) {
      this.#begunAt.delete(key);
      return;
    }
    if (now - (this.#begunAt.get(key) ?? Number.NEGATIVE_INFINITY) < VDISK_REPLICA_RETRY_MS) return;
    this.#begunAt.set(key, now);
    try {
      startCopying(control, replica);
    } catch (error) {
      // Too many tasks, or the service stops: there is a next time.
      if (!(error instanceof Fault) || error.code === 'INTERNAL') throw error;
    }
  }

  #tellServing(vdiskId: string): void {
    const control = this.#control;
    const serving = servingReplicas(control, vdiskId).map((id) =>
      repositoryName(control.catalog, id),
    );
    const names = serving.join(', ');
    const before = this.#told.get(vdiskId) ?? '';
    if (names === before) return;
    const vdisk = control.catalog.vdisks.byId(vdiskId);
    if (vdisk === undefined || names === '') this.#told.delete(vdiskId);
    else this.#told.set(vdiskId, names);
    if (vdisk === undefined) return;
    const subject = `vdisk/${vdisk.name}`;
    control.change((record) =>
      record(
        names === ''
          ? {
              kind: 'vdisk.served-from-home',
              subject,
              message: `machines that start now read vDisk ${vdisk.name} from its own repository again`,
              data: { before },
            }
          : {
              kind: 'vdisk.served-from-replica',
              subject,
              message: `machines that start now read vDisk ${vdisk.name} from its replica in ${names}: its own repository is not there`,
              data: { repositories: serving },
            },
      ),
    );
  }
}

const keyOf = ({ vdiskId, repositoryId }: VdiskReplicaRecord): string =>
  `${vdiskId} ${repositoryId}`;

const reachOf = ({ catalog, storage }: Control): Reach => ({
  catalog,
  isAttached: (id) => storage.isAttached(id),
});

/** Ids of the repositories whose copies of its layers are read now instead of those at home. */
export function servingReplicas(control: Control, vdiskId: string): readonly string[] {
  const reach = reachOf(control);
  const ids = layersOfVdisk(control.catalog, vdiskId).flatMap((layer) => {
    const { isReplica, repositoryId } = copyToRead(reach, layer);
    return isReplica && repositoryId !== undefined ? [repositoryId] : [];
  });
  return [...new Set(ids)];
}
