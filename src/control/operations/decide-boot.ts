/** What happens to a machine whose firmware asks for a boot: the first question of every boot. */
import type { EnrolmentTemplate, MachineRecord } from '../catalog/records.ts';
import type { Control, RecordEvent } from '../control.ts';
import { ENROLMENT_SEEN_MS, MAX_ARCH_LENGTH, MAX_ENROLMENTS, MAX_MACHINES } from '../limits.ts';
import { parseMac } from '../values/mac-address.ts';
import { nameFromPattern } from '../values/name-pattern.ts';
import { insertMachine } from './new-machine.ts';

export type LocalBootReason = 'waiting' | 'refused' | 'disabled';

export type BootDecision =
  | { readonly kind: 'boot'; readonly machineId: string; readonly machineName: string }
  /** It boots from its own disk. */
  | { readonly kind: 'local'; readonly reason: LocalBootReason };

export interface BootClientInput {
  readonly mac: string;
  /** The firmware's architecture as PXE names it. */
  readonly arch: string;
}

/**
 * Idempotent: firmware repeats its packets. An unknown machine is enrolled by the policy.
 * @throws Fault INVALID_INPUT
 */
export function decideBoot(control: Control, client: BootClientInput): BootDecision {
  const mac = parseMac(client.mac, 'mac');
  const known = control.catalog.machines.byMac(mac);
  if (known !== undefined) return decisionFor(known);
  const arch = client.arch.slice(0, MAX_ARCH_LENGTH);
  return control.change((record) => decideUnknown(control, record, mac, arch));
}

function decisionFor(machine: MachineRecord): BootDecision {
  if (!machine.enabled) return { kind: 'local', reason: 'disabled' };
  return { kind: 'boot', machineId: machine.id, machineName: machine.name };
}

function decideUnknown(
  control: Control,
  record: RecordEvent,
  mac: string,
  arch: string,
): BootDecision {
  const { enrolments } = control.catalog;
  const now = control.clock.now();
  const before = enrolments.byMac(mac);
  if (before === undefined) {
    enrolments.insert({ mac, arch, state: 'waiting', firstSeenAt: now, lastSeenAt: now });
    enrolments.forgetBeyond(MAX_ENROLMENTS);
  } else {
    if (now - before.lastSeenAt >= ENROLMENT_SEEN_MS) enrolments.seen(mac, arch, now);
    if (before.state === 'refused') return { kind: 'local', reason: 'refused' };
  }
  const template = enrolments.template();
  const enrolled =
    template === undefined ? undefined : enrolByTemplate(control, record, mac, template);
  if (enrolled !== undefined) return decisionFor(enrolled);
  if (before === undefined) {
    record({
      kind: 'enrolment.waiting',
      subject: `enrolment/${mac}`,
      message: `unknown machine ${mac} (${arch}) asked to boot and waits for approval`,
      data: { arch },
    });
  }
  return { kind: 'local', reason: 'waiting' };
}

/** undefined: the template has no name left, or there are too many machines: it has to wait. */
function enrolByTemplate(
  control: Control,
  record: RecordEvent,
  mac: string,
  template: EnrolmentTemplate,
): MachineRecord | undefined {
  const { machines, vdisks } = control.catalog;
  const vdisk = vdisks.byId(template.vdiskId);
  const isTaken = (name: string): boolean => machines.byName(name) !== undefined;
  const name = nameFromPattern(template.namePattern, mac, isTaken);
  if (vdisk === undefined || name === undefined || machines.count() >= MAX_MACHINES) {
    return undefined;
  }
  return insertMachine(control, record, {
    name,
    mac,
    vdisk,
    cacheMode: template.cacheMode,
    quotaBytes: template.quotaBytes,
    kernelArguments: '',
    enabled: true,
    enrolment: 'automatic',
  });
}
