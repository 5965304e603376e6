/** What XenServer says of disks that are carved into volumes, and lay below LVM there. */
import { type DeviceConfig, type KeyRules, refusedKey } from './storage-type.ts';

/** thick: what volumes promise is there. */
function allocation(value: string): DeviceConfig {
  if (value === 'thick') return new Map([['overcommit', '1']]);
  if (value === 'thin' || value === 'xlvhd') return new Map();
  throw refusedKey('allocation', 'thick or thin is expected', value);
}

export const ALLOCATION = 'allocation';

export const CARVED_RULES: Required<Pick<KeyRules, 'ignored' | 'replaced'>> = {
  ignored: new Set(['multipathing', 'multipathhandle', 'preferred-image-formats']),
  replaced: new Map([[ALLOCATION, allocation]]),
};

export const CARVED_KEYS: ReadonlyMap<string, string> = new Map([
  [ALLOCATION, 'thick: volumes promise no more than there is; thin (the default): they may'],
]);
