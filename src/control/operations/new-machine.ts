/** What adding, approving and enrolling by template have in common: one machine more. */
import { Fault } from '../../errors/index.ts';
import type { MachineRecord, MachineRow } from '../catalog/records.ts';
import type { Control, RecordEvent } from '../control.ts';
import { MAX_MACHINES } from '../limits.ts';
import { refuseTakenMac, refuseTakenMachineName } from './find.ts';

/** Its settings name a vDisk, or its collection does. */
export type NewMachine = Omit<MachineRow, 'id' | 'createdAt' | 'maintains'>;

/**
 * Inside a change. An enrolment of the same address is settled with it.
 * @throws Fault ALREADY_EXISTS, LIMIT_EXCEEDED
 */
export function insertMachine(
  control: Control,
  record: RecordEvent,
  machine: NewMachine,
): MachineRecord {
  const { catalog } = control;
  refuseTakenMachineName(catalog, machine.name);
  refuseTakenMac(catalog, machine.mac);
  if (catalog.machines.count() >= MAX_MACHINES) {
    throw new Fault('LIMIT_EXCEEDED', 'there are too many machines', {
      field: 'machines',
      value: MAX_MACHINES,
      expected: `at most ${MAX_MACHINES}`,
    });
  }
  const id = control.newId();
  const createdAt = control.clock.now();
  catalog.machines.insert({ ...machine, id, createdAt, maintains: undefined });
  const created = catalog.machines.byId(id);
  const vdisk = created === undefined ? undefined : catalog.vdisks.byId(created.vdiskId);
  if (created === undefined || vdisk === undefined) {
    throw new Fault(
      'INVALID_INPUT',
      `neither machine ${machine.name} nor its collection has a vDisk`,
      {
        field: 'machine.vdisk',
        expected: 'the name of a vDisk (rootcast vdisk list)',
      },
    );
  }
  catalog.enrolments.setState(created.mac, 'approved');
  record({
    kind: 'machine.added',
    subject: `machine/${created.name}`,
    message: `machine ${created.name} (${created.mac}) added, booting from ${vdisk.name}`,
    data: { mac: created.mac, vdisk: vdisk.name, enrolment: created.enrolment },
  });
  return created;
}
