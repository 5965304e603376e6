import type { Control } from '../control.ts';

/**
 * Called by the service's ticker: one event for each time that a machine's write cache becomes full
 * (its writes get ENOSPC; no other machine notices).
 */
export function observeCaches(control: Control): void {
  for (const machine of control.catalog.machines.names()) {
    const { cacheFull, cacheUsedBytes } = control.dataPlane.machineLive(machine.id);
    if (!cacheFull) {
      control.fullCaches.delete(machine.id);
      continue;
    }
    if (control.fullCaches.has(machine.id)) continue;
    const quotaBytes = control.catalog.machines.byId(machine.id)?.quotaBytes ?? null;
    control.change((record) =>
      record({
        kind: 'machine.cache-full',
        subject: `machine/${machine.name}`,
        message: `the write cache of ${machine.name} is full: its writes fail`,
        data: { usedBytes: cacheUsedBytes, quotaBytes },
      }),
    );
    control.fullCaches.add(machine.id);
  }
}
