import { tellLostPlace } from '../boots/lost-place.ts';
import { readVersionAhead } from '../boots/traces.ts';
import type { MachineRecord } from '../catalog/records.ts';
import type { Control } from '../control.ts';
import { parseMac } from '../values/mac-address.ts';
import { whichVersion } from '../versions/which-version.ts';
import { type BootPlan, requestBoot } from './request-boot.ts';

export type BootAnswer =
  | { readonly kind: 'boot'; readonly plan: BootPlan }
  /** Not yet: it asks again after `askAgainSeconds`, which is no boot, and keeps its place meanwhile. */
  | {
      readonly kind: 'queued';
      readonly machineName: string;
      /** From 1. */
      readonly place: number;
      readonly waiting: number;
      readonly askAgainSeconds: number;
    };

/**
 * A machine asks for its boot: it gets it, or a place in the queue (boots/admission.ts). What every loader's
 * script is made from, whatever the loader.
 * @throws Fault as requestBoot
 */
export async function bootOrWait(control: Control, macText: string): Promise<BootAnswer> {
  const machine = control.catalog.machines.byMac(parseMac(macText, 'mac'));
  // What is wrong with such a one is said at once, and it holds nobody else up.
  if (machine?.enabled !== true) {
    if (machine !== undefined) disabled(control, machine);
    return { kind: 'boot', plan: await requestBoot(control, macText) };
  }
  const answer = control.admission.ask(control.catalog, machine, control.clock.now());
  if (answer.kind === 'queued') {
    const { place, waiting, askAgainSeconds, isNew } = answer;
    if (isNew) entered(control, machine, place);
    return { kind: 'queued', machineName: machine.name, place, waiting, askAgainSeconds };
  }
  try {
    return { kind: 'boot', plan: await requestBoot(control, macText) };
  } catch (error) {
    // It goes to the end: at the head it would keep a slot from the others for as long as this goes wrong.
    control.catalog.bootQueue.delete(machine.id);
    throw error;
  } finally {
    control.admission.settled(machine.id);
  }
}

/** It may have waited until it was disabled. */
function disabled(control: Control, machine: MachineRecord): void {
  if (!control.admission.leave(machine.id)) return;
  control.change((record) => tellLostPlace(control, record, machine, 'was disabled'));
}

function entered(control: Control, machine: MachineRecord, place: number): void {
  const { catalog, clock } = control;
  control.change((record) => {
    catalog.bootQueue.insert(machine.id, clock.now());
    record({
      kind: 'boot.queued',
      subject: `machine/${machine.name}`,
      message: `${machine.name} waits to boot, at place ${place}`,
      data: { place },
    });
  });
  const vdisk = catalog.vdisks.byId(machine.vdiskId);
  if (vdisk === undefined) return;
  const versions = catalog.versions.ofVdisk(vdisk.id);
  const choice = whichVersion(machine, vdisk, versions, clock.now());
  if (choice.kind === 'sealed') readVersionAhead(control, choice.version, versions);
}
