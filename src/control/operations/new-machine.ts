/** What adding, approving and enrolling by template have in common: one machine more. */
import { Fault } from '../../errors/index.ts';
import type { MachineEnrolment, MachineRecord, VdiskRecord } from '../catalog/records.ts';
import type { Control, RecordEvent } from '../control.ts';
import { MAX_MACHINES } from '../limits.ts';
import type { CacheMode } from '../ports.ts';
import { refuseTakenMac, refuseTakenMachineName } from './find.ts';

export interface NewMachine {
  readonly name: string;
  readonly mac: string;
  readonly vdisk: VdiskRecord;
  readonly cacheMode: CacheMode;
  readonly quotaBytes: number | undefined;
  readonly kernelArguments: string;
  readonly enabled: boolean;
  readonly enrolment: MachineEnrolment;
}

/**
 * Inside a change. An enrolment of the same address is settled with it.
 * @throws Fault ALREADY_EXISTS, LIMIT_EXCEEDED
 */
export function insertMachine(
  control: Control,
  record: RecordEvent,
  { vdisk, ...machine }: NewMachine,
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
  const created: MachineRecord = {
    ...machine,
    id: control.newId(),
    vdiskId: vdisk.id,
    createdAt: control.clock.now(),
  };
  catalog.machines.insert(created);
  catalog.enrolments.setState(created.mac, 'approved');
  record({
    kind: 'machine.added',
    subject: `machine/${created.name}`,
    message: `machine ${created.name} (${created.mac}) added, booting from ${vdisk.name}`,
    data: { mac: created.mac, vdisk: vdisk.name, enrolment: created.enrolment },
  });
  return created;
}
