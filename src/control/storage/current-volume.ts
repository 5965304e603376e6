import { Fault } from '../../errors/index.ts';
import type { VolumeRecord } from '../catalog/storage/records.ts';
import type { Control } from '../control.ts';

/** What it is by now: other work on it may have ended while its turn was waited for. @throws Fault NOT_FOUND */
export function currentVolume({ catalog }: Control, id: string): VolumeRecord {
  const volume = catalog.volumes.byId(id);
  if (volume !== undefined) return volume;
  throw new Fault('NOT_FOUND', 'the volume was deleted meanwhile', {
    field: 'volume.id',
    value: id,
  });
}
