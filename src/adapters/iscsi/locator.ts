/** A LUN in a locator: where it is and which disk it must be. */
import { BlockError } from '../../errors/index.ts';
import type { VolumeLocator } from '../../repositories/index.ts';

export const ISCSI_ADAPTER = 'iscsi';

export interface LunAddress {
  /** `host:port`, best first. */
  readonly portals: readonly string[];
  readonly iqn: string;
  readonly lun: number;
  readonly wwid: string;
}

export function lunLocator(
  repository: string | undefined,
  volume: string,
  { portals, iqn, lun, wwid }: LunAddress,
): VolumeLocator {
  const address = { portals: portals.join(','), iqn, lun, wwid };
  const base = { adapter: ISCSI_ADAPTER, volume, address };
  return repository === undefined ? base : { ...base, repository };
}

/** @throws BlockError EINVAL: not a locator of this adapter */
export function lunAddressOf({ adapter, volume, address }: VolumeLocator): LunAddress {
  const { portals, iqn, lun, wwid } = address;
  if (
    adapter !== ISCSI_ADAPTER ||
    typeof portals !== 'string' ||
    typeof iqn !== 'string' ||
    typeof lun !== 'number' ||
    typeof wwid !== 'string'
  ) {
    throw new BlockError('EINVAL', 'open', 0, 0, `not an iSCSI volume: ${volume}`);
  }
  return { portals: portals.split(','), iqn, lun, wwid };
}
