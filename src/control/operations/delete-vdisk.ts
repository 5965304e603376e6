import { Fault } from '../../errors/index.ts';
import { isSealed, type Removal, type VdiskRecord } from '../catalog/records.ts';
import type { Control } from '../control.ts';
import { removeFromDisk } from '../removals.ts';
import { toldNames } from '../values/told-names.ts';
import { collectLayers } from '../versions/collect-layers.ts';
import { writeLock } from '../versions/lease-lock.ts';
import { findVdisk } from './find.ts';

/** @throws Fault NOT_FOUND, IN_USE (machines, the enrolment template or connections need it) */
export async function deleteVdisk(control: Control, name: string): Promise<void> {
  const { catalog } = control;
  const removals = control.change((record): readonly Removal[] => {
    const vdisk = findVdisk(catalog, name);
    refuseWhileInUse(control, vdisk);
    const versions = catalog.versions.ofVdisk(vdisk.id);
    const overlays = versions
      .filter((version) => !isSealed(version))
      .map(({ id }): Removal => ({ kind: 'machine', id }));
    catalog.vdisks.delete(vdisk.id);
    for (const overlay of overlays) catalog.removals.insert(overlay);
    for (const { id } of versions) catalog.locks.delete(writeLock(id));
    record({ kind: 'vdisk.deleted', subject: `vdisk/${name}`, message: `vDisk ${name} deleted` });
    return overlays;
  });
  for (const removal of removals) await removeFromDisk(control, removal);
  await collectLayers(control);
}

function refuseWhileInUse({ catalog, dataPlane }: Control, vdisk: VdiskRecord): void {
  const machines = catalog.machines.ofVdisk(vdisk.id).map((machine) => machine.name);
  if (machines.length > 0) {
    throw new Fault('IN_USE', `vDisk ${vdisk.name} is the disk of ${toldNames(machines)}`, {
      field: 'vdisk.machines',
      value: machines.length,
      expected: 'no machine that boots from it',
    });
  }
  if (catalog.enrolments.template()?.settings.vdiskId === vdisk.id) {
    throw new Fault('IN_USE', `vDisk ${vdisk.name} is what new machines get by policy`, {
      field: 'enrolmentPolicy.template.vdisk',
      value: vdisk.name,
      expected: 'another enrolment policy (rootcast enrolment policy)',
    });
  }
  const collections = catalog.collections.ofVdisk(vdisk.id).map(({ name }) => name);
  if (collections.length > 0) {
    throw new Fault(
      'IN_USE',
      `vDisk ${vdisk.name} is what machines of ${toldNames(collections)} boot`,
      {
        field: 'vdisk.collections',
        value: collections.length,
        expected: 'no collection that names it (rootcast collection set)',
      },
    );
  }
  const connections = dataPlane.vdiskConnections(vdisk.id);
  if (connections > 0) {
    throw new Fault('IN_USE', `vDisk ${vdisk.name} is open over NBD`, {
      field: 'vdisk.connections',
      value: connections,
      expected: 'no open connection',
    });
  }
}
