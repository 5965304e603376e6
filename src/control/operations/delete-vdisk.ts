import { Fault } from '../../errors/index.ts';
import type { Removal, VdiskRecord } from '../catalog/records.ts';
import type { Control } from '../control.ts';
import { removeFromDisk } from '../recover.ts';
import { findVdisk } from './find.ts';

/** So many names of machines are told in an error. */
const NAMES_TOLD = 5;

/** @throws Fault NOT_FOUND, IN_USE (machines, the enrolment template or connections need it) */
export async function deleteVdisk(control: Control, name: string): Promise<void> {
  const { catalog } = control;
  const removals = control.change((record): readonly Removal[] => {
    const vdisk = findVdisk(catalog, name);
    refuseWhileInUse(control, vdisk);
    const layers = catalog.versions
      .ofVdisk(vdisk.id)
      .map(({ layerId }): Removal => ({ kind: 'layer', id: layerId }));
    catalog.vdisks.delete(vdisk.id);
    for (const layer of layers) catalog.removals.insert(layer);
    record({ kind: 'vdisk.deleted', subject: `vdisk/${name}`, message: `vDisk ${name} deleted` });
    return layers;
  });
  for (const removal of removals) await removeFromDisk(control, removal);
}

function refuseWhileInUse({ catalog, dataPlane }: Control, vdisk: VdiskRecord): void {
  const machines = catalog.machines.ofVdisk(vdisk.id).map((machine) => machine.name);
  if (machines.length > 0) {
    const told = machines.slice(0, NAMES_TOLD).join(', ');
    const more = machines.length > NAMES_TOLD ? ` and ${machines.length - NAMES_TOLD} more` : '';
    throw new Fault('IN_USE', `vDisk ${vdisk.name} is the disk of ${told}${more}`, {
      field: 'vdisk.machines',
      value: machines.length,
      expected: 'no machine that boots from it',
    });
  }
  if (catalog.enrolments.template()?.vdiskId === vdisk.id) {
    throw new Fault('IN_USE', `vDisk ${vdisk.name} is what new machines get by policy`, {
      field: 'enrolmentPolicy.template.vdisk',
      value: vdisk.name,
      expected: 'another enrolment policy (rootcast enrolment policy)',
    });
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
