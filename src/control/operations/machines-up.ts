import type { Control } from '../control.ts';
import { RECONNECT_GRACE_MS } from '../limits.ts';

/**
 * MAC addresses of the machines that may be running now. Just after a start that is every machine:
 * those that ran on while the service was away have yet to reconnect.
 */
export function machinesUp(control: Control): ReadonlySet<string> {
  const { catalog, dataPlane, clock, startedAt } = control;
  const justStarted = clock.now() - startedAt < RECONNECT_GRACE_MS;
  const booting = justStarted ? new Set<string>() : bootingMachines(control);
  const isUp = (id: string): boolean =>
    justStarted || booting.has(id) || dataPlane.machineLive(id).connections.length > 0;
  return new Set(catalog.machines.names().flatMap(({ id, mac }) => (isUp(id) ? mac : [])));
}

/** By id: those whose last boot is not over. One that is superseded is ended, so no other boot can be. */
export function bootingMachines({ catalog }: Control): ReadonlySet<string> {
  return new Set(catalog.boots.underWay().map(({ machineId }) => machineId));
}
