/** Copies what a replica of a vDisk lacks, layer by layer: whatever ends it, the next run goes on with the next layer. */
import { Fault } from '../../errors/index.ts';
import type { LayerRecord, TaskRecord } from '../catalog/records.ts';
import type { VdiskReplicaRecord } from '../catalog/replica-table.ts';
import type { Control } from '../control.ts';
import type { ReportProgress } from '../tasks/task-runner.ts';
import { missingLayers } from './wanted-copies.ts';

export interface ReplicateResult {
  /** Copied now. */
  readonly layers: number;
  /** Bytes that these hold. */
  readonly bytes: number;
}

type Wanted = Pick<VdiskReplicaRecord, 'vdiskId' | 'repositoryId'>;

/** @throws Fault LIMIT_EXCEEDED (too many tasks), UNAVAILABLE (the service stops) */
export function startCopying(control: Control, wanted: Wanted): TaskRecord {
  const { catalog, tasks, replicaRuns } = control;
  const name = catalog.vdisks.byId(wanted.vdiskId)?.name ?? wanted.vdiskId;
  const key = keyOf(wanted);
  const task = tasks.start('vdisk.replicate', `vdisk/${name}`, async (report, signal) => {
    try {
      return await copyMissing(control, wanted, report, signal);
    } catch (error) {
      if (signal.reason instanceof Fault && signal.reason.code === 'CANCELLED') {
        pause(control, wanted);
      }
      throw error;
    } finally {
      if (replicaRuns.get(key) === task.id) replicaRuns.delete(key);
    }
  });
  replicaRuns.set(key, task.id);
  return task;
}

export function isCopying({ replicaRuns }: Control, wanted: Wanted): boolean {
  return replicaRuns.has(keyOf(wanted));
}

const keyOf = ({ vdiskId, repositoryId }: Wanted): string => `${vdiskId} ${repositoryId}`;

/** Or the observer would begin again what somebody has just cancelled. */
function pause({ catalog }: Control, wanted: Wanted): void {
  catalog.transaction(() => {
    const found = wantedNow(catalog, wanted);
    if (found !== undefined) catalog.replicas.want({ ...found, paused: true });
  });
}

/** One after the other for each repository: vDisks have layers in common. */
function copyMissing(
  control: Control,
  wanted: Wanted,
  report: ReportProgress,
  signal: AbortSignal,
): Promise<ReplicateResult> {
  return control.replicaTurns.run(wanted.repositoryId, async () => {
    let result: ReplicateResult = { layers: 0, bytes: 0 };
    for (;;) {
      signal.throwIfAborted();
      requireWanted(control, wanted);
      // Asked again each time: versions are sealed, merged and deleted meanwhile.
      const missing = missingLayers(control.catalog, wanted);
      const [layer] = missing;
      if (layer === undefined) return result;
      const left = missing.reduce((sum, { ownBytes }) => sum + ownBytes, 0);
      const bytesTotal = Math.max(1, result.bytes + left);
      const { bytes } = result;
      await copyLayer(
        control,
        { ...wanted, layer },
        (fraction) => report(99 * ((bytes + fraction * layer.ownBytes) / bytesTotal), 'copying'),
        signal,
      );
      result = { layers: result.layers + 1, bytes: bytes + layer.ownBytes };
    }
  });
}

async function copyLayer(
  control: Control,
  { layer, ...wanted }: Wanted & { readonly layer: LayerRecord },
  progress: (fraction: number) => void,
  signal: AbortSignal,
): Promise<void> {
  const { catalog, clock, replicas } = control;
  const { repositoryId } = wanted;
  const keep = (volumeId: string): void =>
    catalog.transaction(() => {
      // Without either, nobody would ever delete it.
      requireWanted(control, wanted);
      if (catalog.layers.byId(layer.id) === undefined) throw gone(layer.id);
      const now = clock.now();
      const times = { verifiedAt: now, createdAt: now };
      catalog.replicas.insert({ layerId: layer.id, repositoryId, volumeId, ...times });
      catalog.arrayLeftovers.remove(volumeId);
    });
  await replicas.copy(
    { layerId: layer.id, repositoryId },
    keep,
    ({ bytesDone, bytesTotal }) => progress(bytesTotal === 0 ? 0 : bytesDone / bytesTotal),
    signal,
  );
}

function wantedNow(catalog: Control['catalog'], { vdiskId, repositoryId }: Wanted) {
  return catalog.replicas.wantedOf(vdiskId).find((one) => one.repositoryId === repositoryId);
}

function requireWanted({ catalog }: Control, wanted: Wanted): void {
  if (wantedNow(catalog, wanted) !== undefined) return;
  throw new Fault('CANCELLED', 'the replica is not wanted any more');
}

function gone(layerId: string): Fault {
  return new Fault('NOT_FOUND', `layer ${layerId} was removed while it was copied`);
}
