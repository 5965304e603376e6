import { stepsOf } from '../../boots/steps-of.ts';
import type { BootRecord, BootRuleRecord } from '../../catalog/records.ts';
import type { Control } from '../../control.ts';
import { MAX_QUEUE_SHOWN } from '../../limits.ts';
import type { BootRuleView, BootsView, BootTimelineView } from '../../schemas/boot.ts';
import { findMachine } from '../find.ts';
import { iso, isoOrNull } from '../time-view.ts';

/** What boots, what waits to, and by which rules. */
export function showBoots(control: Control): BootsView {
  const { admission, bootReads, catalog, clock } = control;
  const { most, perSecond } = admission.settings;
  const names = new Map(catalog.machines.names().map(({ id, name }) => [id, name]));
  const queue = admission.queue();
  return {
    most: most === 0 ? null : most,
    perSecond: perSecond === 0 ? null : perSecond,
    slotsTaken: admission.slotsTaken(catalog, clock.now()),
    booting: catalog.boots.underWay().map((boot) => ({
      machine: names.get(boot.machineId) ?? boot.machineId,
      vdisk: boot.vdiskName,
      version: boot.version,
      startedAt: iso(boot.startedAt),
      stage: stepsOf(boot).at(-1)?.stage ?? null,
    })),
    waiting: queue.length,
    queue: queue.slice(0, MAX_QUEUE_SHOWN).map((waiting, at) => ({
      place: at + 1,
      machine: names.get(waiting.machineId) ?? waiting.machineId,
      askedAt: iso(waiting.askedAt),
      lastAskedAt: iso(waiting.lastAskedAt),
      priority: waiting.priority,
    })),
    rules: listBootRules(control),
    reads: bootReads.gauges(),
  };
}

export function listBootRules({ catalog }: Control): BootRuleView[] {
  return catalog.bootRules.all().map((rule) => ruleView(catalog, rule));
}

function ruleView(
  { machines, collections, vdisks }: Control['catalog'],
  { owner, id, most, priority }: BootRuleRecord,
): BootRuleView {
  return {
    machine: owner === 'machine' ? (machines.byId(id)?.name ?? id) : null,
    collection: owner === 'collection' ? (collections.byId(id)?.name ?? id) : null,
    vdisk: owner === 'vdisk' ? (vdisks.byId(id)?.name ?? id) : null,
    most: most ?? null,
    priority: priority ?? null,
  };
}

/** The last boots of a machine, the newest first. @throws Fault NOT_FOUND */
export function machineTimeline(
  { catalog }: Control,
  machineName: string,
): readonly BootTimelineView[] {
  const machine = findMachine(catalog, machineName);
  return catalog.boots.ofMachine(machine.id).map(timelineView);
}

function timelineView(boot: BootRecord): BootTimelineView {
  const steps = stepsOf(boot);
  const first = steps[0]?.at ?? boot.startedAt;
  return {
    vdisk: boot.vdiskName,
    version: boot.version,
    startedAt: iso(boot.startedAt),
    ended: boot.ended ?? null,
    endedAt: isoOrNull(boot.endedAt),
    durationMs: boot.durationMs ?? null,
    steps: steps.map(({ stage, at }, index) => ({
      stage,
      at: iso(at),
      afterMs: at - first,
      tookMs: at - (steps[index - 1]?.at ?? at),
    })),
  };
}
