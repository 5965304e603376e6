import type { Control } from '../control.ts';
import { RECONNECT_GRACE_MS } from '../limits.ts';
import { machineState } from './machine-view.ts';

/**
 * MAC addresses of the machines that may be running now. Just after a start that is every machine:
 * those that ran on while the service was away have yet to reconnect.
 */
export function machinesUp(control: Control): ReadonlySet<string> {
  const { catalog, dataPlane, clock, startedAt } = control;
  const machines = catalog.machines.all();
  const justStarted = clock.now() - startedAt < RECONNECT_GRACE_MS;
  const isUp = (id: string): boolean =>
    machineState(dataPlane.machineLive(id).connections.length, catalog.boots.last(id)) !== 'off';
  return new Set(machines.filter(({ id }) => justStarted || isUp(id)).map(({ mac }) => mac));
}
