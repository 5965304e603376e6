import { endBoot } from '../boots/end-boot.ts';
import type { BootStage } from '../catalog/records.ts';
import type { Control } from '../control.ts';
import { parseMac } from '../values/mac-address.ts';

/** Not told but seen: `first-block` (observeBoots), and what comes before the boot (requestBoot). */
export type NotedStage = Exclude<
  BootStage,
  'dhcp' | 'loader' | 'queued' | 'admitted' | 'first-block'
>;

/**
 * The machine's last boot has come so far. The first of each stage counts; a machine that is not
 * known or has no boot is ignored. `ready` ends the boot, also one that had seemed over because its
 * requests were quiet for a while: the guest knows better.
 * @throws Fault INVALID_INPUT
 */
export function noteBootStage(control: Control, macText: string, stage: NotedStage): void {
  const { boots, machines } = control.catalog;
  const machine = machines.byMac(parseMac(macText, 'mac'));
  const boot = machine === undefined ? undefined : boots.last(machine.id);
  if (boot === undefined || boot.stages[stage] !== undefined) return;
  const at = control.clock.now();
  control.change((record) => {
    boots.stage(boot.id, stage, at);
    if (stage === 'ready') endBoot(control, record, boot, 'ready', at, at - boot.startedAt);
  });
}
