import { readOnlyLayer } from '../caches/begin-cache.ts';
import type { Control } from '../control.ts';
import { TRACE_RECORD_MS } from '../limits.ts';
import type { MachineLive } from '../ports.ts';
import { bootProgress } from './boot-progress.ts';
import { endBoot } from './end-boot.ts';
import { tellLostPlace } from './lost-place.ts';
import { keepTrace } from './traces.ts';

/**
 * Called by the service's ticker, about once a second: looks at every boot under way.
 * @param now milliseconds since the epoch
 */
export function observeBoots(control: Control, now: number): void {
  const { boots } = control.catalog;
  tellLostPlaces(control, control.admission.sweep(now));
  for (const boot of boots.underWay()) {
    const firstBlock = boot.stages['first-block'] ?? now;
    const isLong = now - firstBlock > TRACE_RECORD_MS && control.recordings.has(boot.machineId);
    if (isLong) control.change((record) => keepTrace(control, record, boot.machineId, true));
    const live = seen(control, boot.machineId, now);
    const change = bootProgress(boot, live, now, control.startedAt);
    if (change === undefined) continue;
    control.change((record) => {
      switch (change.kind) {
        case 'first-block':
          boots.stage(boot.id, 'first-block', change.at);
          break;
        case 'ended':
          endBoot(control, record, boot, change.how, change.at, change.durationMs);
          break;
      }
    });
  }
}

/** Nobody counts the reads of a machine that writes to itself: while it is connected it may be reading. */
function seen(control: Control, machineId: string, now: number): MachineLive {
  const live = control.dataPlane.machineLive(machineId);
  if (readOnlyLayer(control, machineId) === undefined) return live;
  return { ...live, lastRequestAt: live.connections.length > 0 ? now : undefined };
}

function tellLostPlaces(control: Control, lost: readonly string[]): void {
  if (lost.length === 0) return;
  const { catalog } = control;
  control.change((record) => {
    for (const machineId of lost) {
      // Of one that was deleted nothing is left in the catalog.
      const machine = catalog.machines.byId(machineId);
      if (machine !== undefined) tellLostPlace(control, record, machine, 'asks no more');
    }
  });
}
