/** Who may write: volumes of the source are ordinary ones, those of the replica nobody's but ours. */

import { Fault } from '../../errors/index.ts';
import type { Side } from '../catalog/replication/records.ts';
import type { VolumeRecord, VolumeRole } from '../catalog/storage/records.ts';
import type { Control } from '../control.ts';
import { volumeNameOf } from '../storage/names.ts';
import { inTurn } from '../storage/turns.ts';
import { toldNames } from '../values/told-names.ts';
import { volumesOf } from './situation.ts';

/** Inside a change. What is told to open it for writing from then on is refused, or allowed. */
export function setRole({ catalog }: Control, id: string, side: Side, role: VolumeRole): void {
  for (const volume of volumesOf(catalog, catalog.replications.members(id), side)) {
    if (volume.role !== role) catalog.volumes.update({ ...volume, role });
  }
}

/**
 * The volumes of the side are nobody's any more.
 * @throws Fault IN_USE: connections or mappings that could write are still there; then they are as they were
 */
export async function fence(control: Control, id: string, side: Side): Promise<void> {
  control.catalog.transaction(() => setRole(control, id, side, 'replica'));
  try {
    await refuseWriters(control, id, side);
  } catch (error) {
    unfence(control, id, side);
    throw error;
  }
}

export function unfence(control: Control, id: string, side: Side): void {
  control.catalog.transaction(() => setRole(control, id, side, 'volume'));
}

/**
 * In each volume's turn: a mapping that was allowed before the fence and is still on its way is seen.
 * @throws Fault IN_USE: somebody could still write a volume of the side, whatever its role says
 */
export async function refuseWriters(control: Control, id: string, side: Side): Promise<void> {
  const members = control.catalog.replications.members(id);
  for (const volume of volumesOf(control.catalog, members, side)) {
    await inTurn(control, [volume.id], () => refuseWriter(control, volume));
  }
}

async function refuseWriter({ storage }: Control, volume: VolumeRecord): Promise<void> {
  const name = volumeNameOf(volume);
  const { connections } = await storage.volumeLive(name);
  if (connections > 0) throw inUse(volume, `${connections} open connections`);
  const mappings = await storage.mappings(name);
  const writers = mappings.filter(({ mode }) => mode === 'rw').map(({ host }) => host);
  if (writers.length > 0) throw inUse(volume, toldNames(writers));
}

function inUse({ name }: VolumeRecord, by: string): Fault {
  return new Fault('IN_USE', `volume ${name} can still be written: ${by}`, {
    field: 'replication.volumes',
    value: name,
    expected: 'a volume that nobody has open and that is mapped to no host for writing',
  });
}
