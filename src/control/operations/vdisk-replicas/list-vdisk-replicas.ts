import type { VdiskReplicaRecord } from '../../catalog/replica-table.ts';
import type { Control } from '../../control.ts';
import { isCopying } from '../../replicas/copy-layers.ts';
import { servingReplicas } from '../../replicas/observe-vdisk-replicas.ts';
import { layersOfVdisk, missingLayers } from '../../replicas/wanted-copies.ts';
import type { VdiskReplicaState, VdiskReplicaView } from '../../schemas/vdisk-replica.ts';
import { repositoryName } from '../../storage/names.ts';
import { findVdisk } from '../find.ts';
import { iso } from '../time-view.ts';

/** @throws Fault NOT_FOUND */
export function listVdiskReplicas(control: Control, name: string): readonly VdiskReplicaView[] {
  const { catalog } = control;
  const { id } = findVdisk(catalog, name);
  const serving = new Set(servingReplicas(control, id));
  const layers = layersOfVdisk(catalog, id);
  return catalog.replicas.wantedOf(id).map((replica) => {
    const { repositoryId, createdAt } = replica;
    const missing = missingLayers(catalog, replica);
    return {
      repository: repositoryName(catalog, repositoryId),
      state: stateOf(control, replica, missing.length),
      repositoryState: catalog.repositories.byId(repositoryId)?.state ?? 'detached',
      layers: layers.length,
      layersMissing: missing.length,
      bytesMissing: missing.reduce((sum, { ownBytes }) => sum + ownBytes, 0),
      serves: serving.has(repositoryId),
      createdAt: iso(createdAt),
    };
  });
}

function stateOf(
  control: Control,
  replica: VdiskReplicaRecord,
  missing: number,
): VdiskReplicaState {
  if (missing === 0) return 'complete';
  if (isCopying(control, replica)) return 'copying';
  return replica.paused ? 'paused' : 'incomplete';
}
