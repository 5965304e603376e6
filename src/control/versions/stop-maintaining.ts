import type { Catalog } from '../catalog/catalog.ts';
import type { MachineRecord } from '../catalog/records.ts';
import { releaseLock, writeLock } from './lease-lock.ts';

/**
 * Inside a change, of a machine without connections: its disk is its own overlay again, and what it wrote
 * into a version is the next one's to go on with.
 */
export function stopMaintaining(catalog: Catalog, { id, maintains }: MachineRecord): void {
  if (maintains === undefined) return;
  const lock = writeLock(maintains);
  if (catalog.locks.byName(lock)?.holder === id) releaseLock(catalog, lock);
  catalog.machines.setMaintains(id, undefined);
}
