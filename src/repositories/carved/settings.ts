/** What a repository on a carved device may be told, whatever brings the device. */
import type { SettingField, SettingValue } from '../adapter.ts';

export const CARVED_SETTINGS: readonly SettingField[] = [
  {
    name: 'extentSize',
    type: 'integer',
    required: false,
    secret: false,
    description:
      'Bytes in which a new disk is carved: a power of two from 65536 to 67108864. Default: 1048576, more for disks of more than 8 TiB.',
  },
  {
    name: 'overcommit',
    type: 'integer',
    required: false,
    secret: false,
    description: 'How many times the space of the disk its volumes may promise. Default: 20.',
  },
];

/** For AttachCarvedRequest, which checks them. */
export function carvedSettings(settings: Readonly<Record<string, SettingValue>>): {
  readonly extentSize?: number;
  readonly overcommit?: number;
} {
  const { extentSize, overcommit } = settings;
  return {
    ...(typeof extentSize === 'number' ? { extentSize } : {}),
    ...(typeof overcommit === 'number' ? { overcommit } : {}),
  };
}
