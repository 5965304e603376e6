import type { Control } from '../control.ts';
import type { StatusView } from '../schemas/activity.ts';
import { bootingMachines } from './machines-up.ts';
import { iso } from './time-view.ts';

export async function showStatus(control: Control): Promise<StatusView> {
  const { catalog, dataPlane } = control;
  const machines = { total: 0, off: 0, booting: 0, running: 0 };
  const booting = bootingMachines(control);
  for (const { id } of catalog.machines.names()) {
    machines.total++;
    if (booting.has(id)) machines.booting++;
    else if (dataPlane.machineLive(id).connections.length > 0) machines.running++;
    else machines.off++;
  }
  const totals = dataPlane.totals();
  return {
    server: control.serverName,
    version: control.version,
    startedAt: iso(control.startedAt),
    uptimeMs: control.clock.now() - control.startedAt,
    vdisks: catalog.vdisks.count(),
    machines,
    enrolmentsWaiting: catalog.enrolments.all().filter(({ state }) => state === 'waiting').length,
    tasksRunning: control.tasks.runningCount(),
    workers: totals.workers,
    connections: totals.connections,
    readCache: {
      bytes: totals.readCacheBytes,
      bytesMax: totals.readCacheBytesMax,
      hits: totals.readCacheHits,
      misses: totals.readCacheMisses,
    },
    space: await control.images.space(),
  };
}
