import { Fault } from '../../errors/index.ts';
import type { EnrolmentRecord } from '../catalog/records.ts';
import type { Control } from '../control.ts';
import type { ApproveEnrolmentInput, EnrolmentView } from '../schemas/enrolment.ts';
import type { MachineView } from '../schemas/machine.ts';
import { parseMac } from '../values/mac-address.ts';
import { parseName } from '../values/name.ts';
import { findCollection } from './find.ts';
import { machineView } from './machine-view.ts';
import { insertMachine } from './new-machine.ts';
import { newSettings } from './settings.ts';
import { iso } from './time-view.ts';

/** Last seen first. */
export function listEnrolments(control: Control): readonly EnrolmentView[] {
  return control.catalog.enrolments.all().map(enrolmentView);
}

/** The machine that asked becomes a machine that boots; also one that was refused before.
 * @throws Fault INVALID_INPUT, NOT_FOUND, ALREADY_EXISTS, LIMIT_EXCEEDED */
export function approveEnrolment(
  control: Control,
  macText: string,
  input: ApproveEnrolmentInput,
): MachineView {
  const { catalog } = control;
  const { collection, ...settings } = input;
  const mac = parseMac(macText, 'enrolment.mac');
  const name = parseName(settings.name, 'machine.name');
  const machine = control.change((record) => {
    findEnrolment(control, mac);
    const created = insertMachine(control, record, {
      name,
      mac,
      collectionId:
        collection === undefined
          ? undefined
          : findCollection(catalog, collection, 'machine.collection').id,
      own: newSettings(catalog, settings, 'machine'),
      pinnedVersion: undefined,
      kernelArguments: '',
      enrolment: 'approved',
    });
    record({
      kind: 'enrolment.approved',
      subject: `enrolment/${mac}`,
      message: `${mac} approved as machine ${name}`,
      data: { machine: name },
    });
    return created;
  });
  return machineView(control, machine);
}

/** It keeps booting from its local disk. @throws Fault INVALID_INPUT, NOT_FOUND, ALREADY_EXISTS */
export function refuseEnrolment(control: Control, macText: string): EnrolmentView {
  const mac = parseMac(macText, 'enrolment.mac');
  return control.change((record) => {
    const enrolment = findEnrolment(control, mac);
    const machine = control.catalog.machines.byMac(mac);
    if (machine !== undefined) {
      throw new Fault('ALREADY_EXISTS', `${mac} is machine ${machine.name} already`, {
        field: 'enrolment.mac',
        value: mac,
        expected: 'a machine that is waiting; delete or disable one that is not',
      });
    }
    control.catalog.enrolments.setState(mac, 'refused');
    record({
      kind: 'enrolment.refused',
      subject: `enrolment/${mac}`,
      message: `${mac} refused`,
    });
    return enrolmentView({ ...enrolment, state: 'refused' });
  });
}

function findEnrolment(control: Control, mac: string): EnrolmentRecord {
  const enrolment = control.catalog.enrolments.byMac(mac);
  if (enrolment !== undefined) return enrolment;
  throw new Fault('NOT_FOUND', `no unknown machine ${mac} has asked to boot`, {
    field: 'enrolment.mac',
    value: mac,
    expected: 'an address of rootcast enrolment list',
  });
}

function enrolmentView({ mac, arch, state, ...times }: EnrolmentRecord): EnrolmentView {
  return {
    mac,
    arch,
    state,
    firstSeenAt: iso(times.firstSeenAt),
    lastSeenAt: iso(times.lastSeenAt),
  };
}
