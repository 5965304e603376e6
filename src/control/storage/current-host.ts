import { Fault } from '../../errors/index.ts';
import type { HostRecord } from '../catalog/storage/records.ts';
import type { Control } from '../control.ts';

/** As `currentVolume`: who it is by now. @throws Fault NOT_FOUND */
export function currentHost({ catalog }: Control, id: string): HostRecord {
  const host = catalog.hosts.byId(id);
  if (host !== undefined) return host;
  throw new Fault('NOT_FOUND', 'the host was deleted meanwhile', { field: 'host.id', value: id });
}
