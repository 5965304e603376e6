/** How people name volumes and snapshots: `REPOSITORY/VOLUME`, and `VOLUME@SNAPSHOT` within a repository. */
import { Fault } from '../../errors/index.ts';
import { isName } from './name.ts';

export const VOLUME_ADDRESS_RULE = 'REPOSITORY/VOLUME, e.g. san1/database';
export const SNAPSHOT_ADDRESS_RULE = 'VOLUME@SNAPSHOT, e.g. database@monday, or the id of one';

export interface VolumeAddress {
  readonly repository: string;
  readonly volume: string;
}

/** @throws Fault INVALID_INPUT */
export function parseVolumeAddress(value: string, field: string): VolumeAddress {
  const [repository = '', volume = '', more] = value.split('/');
  if (more === undefined && isName(repository) && isName(volume)) return { repository, volume };
  throw new Fault('INVALID_INPUT', `${field} does not name a volume`, {
    field,
    value,
    expected: VOLUME_ADDRESS_RULE,
  });
}

/** undefined: it must be an id. */
export function snapshotAddress(
  value: string,
): { readonly volume: string; readonly snapshot: string } | undefined {
  const at = value.indexOf('@');
  return at === -1 ? undefined : { volume: value.slice(0, at), snapshot: value.slice(at + 1) };
}
