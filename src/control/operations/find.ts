/** Records by the names that people give, or a fault that says what was not found. */
import { Fault } from '../../errors/index.ts';
import type { Catalog } from '../catalog/catalog.ts';
import type { CollectionRecord, MachineRecord, VdiskRecord } from '../catalog/records.ts';

/** @throws Fault NOT_FOUND */
export function findVdisk(catalog: Catalog, name: string, field = 'vdisk.name'): VdiskRecord {
  const vdisk = catalog.vdisks.byName(name);
  if (vdisk !== undefined) return vdisk;
  throw new Fault('NOT_FOUND', `there is no vDisk ${name}`, {
    field,
    value: name,
    expected: 'the name of a vDisk (rootcast vdisk list)',
  });
}

/** @throws Fault NOT_FOUND */
export function findMachine(catalog: Catalog, name: string): MachineRecord {
  const machine = catalog.machines.byName(name);
  if (machine !== undefined) return machine;
  throw new Fault('NOT_FOUND', `there is no machine ${name}`, {
    field: 'machine.name',
    value: name,
    expected: 'the name of a machine (rootcast machine list)',
  });
}

/** @throws Fault NOT_FOUND */
export function findCollection(
  catalog: Catalog,
  name: string,
  field = 'collection.name',
): CollectionRecord {
  const collection = catalog.collections.byName(name);
  if (collection !== undefined) return collection;
  throw new Fault('NOT_FOUND', `there is no collection ${name}`, {
    field,
    value: name,
    expected: 'the name of a collection (rootcast collection list)',
  });
}

/** @throws Fault ALREADY_EXISTS when another machine has the address */
export function refuseTakenMac(catalog: Catalog, mac: string, exceptId?: string): void {
  const owner = catalog.machines.byMac(mac);
  if (owner === undefined || owner.id === exceptId) return;
  throw new Fault('ALREADY_EXISTS', `machine ${owner.name} has the MAC address ${mac}`, {
    field: 'machine.mac',
    value: mac,
    expected: 'an address that no other machine has',
  });
}

/** @throws Fault ALREADY_EXISTS */
export function refuseTakenMachineName(catalog: Catalog, name: string): void {
  if (catalog.machines.byName(name) === undefined) return;
  throw new Fault('ALREADY_EXISTS', `there is a machine ${name} already`, {
    field: 'machine.name',
    value: name,
    expected: 'a name that no other machine has',
  });
}
