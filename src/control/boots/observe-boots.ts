import { readOnlyLayer } from '../caches/begin-cache.ts';
import type { Control } from '../control.ts';
import type { MachineLive } from '../ports.ts';
import { bootProgress } from './boot-progress.ts';
import { endBoot } from './end-boot.ts';

/**
 * Called by the service's ticker, about once a second: looks at every boot under way.
 * @param now milliseconds since the epoch
 */
export function observeBoots(control: Control, now: number): void {
  const { boots } = control.catalog;
  for (const boot of boots.underWay()) {
    const change = bootProgress(boot, seen(control, boot.machineId, now), now);
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
