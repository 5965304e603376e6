/** What happens to a machine whose firmware asks for a boot: the first question of every boot. */
import { DEFAULT_SETTINGS } from '../catalog/machine-settings.ts';
import type { BootLoader, EnrolmentTemplate, MachineRecord } from '../catalog/records.ts';
import type { Control, RecordEvent } from '../control.ts';
import {
  ENROLMENT_SEEN_MS,
  ENROLMENT_WINDOW_MS,
  MAX_ARCH_LENGTH,
  MAX_ENROLMENTS,
  MAX_ENROLMENTS_PER_WINDOW,
  MAX_MACHINES,
} from '../limits.ts';
import { parseMac } from '../values/mac-address.ts';
import { nameFromPattern } from '../values/name-pattern.ts';
import { insertMachine } from './new-machine.ts';

export type LocalBootReason = 'waiting' | 'refused' | 'disabled';

export type BootDecision = (
  | { readonly kind: 'boot'; readonly machineId: string; readonly machineName: string }
  /** It boots from its own disk. */
  | { readonly kind: 'local'; readonly reason: LocalBootReason }
) & {
  /** Of an unknown machine, the one of whoever nothing is said about. */
  readonly bootLoader: BootLoader;
};

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
  const { bootLoader } = machine;
  if (!machine.enabled) return { kind: 'local', reason: 'disabled', bootLoader };
  return { kind: 'boot', machineId: machine.id, machineName: machine.name, bootLoader };
}

function localFor(reason: LocalBootReason): BootDecision {
  return { kind: 'local', reason, bootLoader: DEFAULT_SETTINGS.bootLoader };
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
    if (!control.enrolmentWindow.admit(now)) {
      tellLimit(
        control,
        record,
        'too many unknown machines ask to boot at once; some have to repeat',
        {
          limit: MAX_ENROLMENTS_PER_WINDOW,
          windowMs: ENROLMENT_WINDOW_MS,
        },
      );
      return localFor('waiting');
    }
    enrolments.insert({ mac, arch, state: 'waiting', firstSeenAt: now, lastSeenAt: now });
    if (enrolments.forgetBeyond(MAX_ENROLMENTS) > 0) {
      const message = 'too many unknown machines wait: those not seen for longest are forgotten';
      tellLimit(control, record, message, { limit: MAX_ENROLMENTS });
    }
  } else {
    if (now - before.lastSeenAt >= ENROLMENT_SEEN_MS) enrolments.seen(mac, arch, now);
    if (before.state === 'refused') return localFor('refused');
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
  return localFor('waiting');
}

/** undefined: the template has no name left, or there are too many machines: it has to wait. */
function enrolByTemplate(
  control: Control,
  record: RecordEvent,
  mac: string,
  template: EnrolmentTemplate,
): MachineRecord | undefined {
  const { machines } = control.catalog;
  if (machines.count() >= MAX_MACHINES) {
    const message = 'there are too many machines: unknown ones wait, whatever the policy says';
    tellLimit(control, record, message, { limit: MAX_MACHINES });
    return undefined;
  }
  const isTaken = (name: string): boolean => machines.byName(name) !== undefined;
  const name = nameFromPattern(template.namePattern, mac, isTaken);
  if (name === undefined) return undefined;
  return insertMachine(control, record, {
    name,
    mac,
    collectionId: template.collectionId,
    own: template.settings,
    pinnedVersion: undefined,
    kernelArguments: '',
    enrolment: 'automatic',
  });
}

function tellLimit(
  control: Control,
  record: RecordEvent,
  message: string,
  data: Readonly<Record<string, unknown>>,
): void {
  if (!control.enrolmentWindow.mayTell(control.clock.now())) return;
  record({ kind: 'enrolment.limit', subject: 'enrolment', message, data });
}
