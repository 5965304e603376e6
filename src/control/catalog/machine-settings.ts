/** The columns that machines and collections have in common; NULL: inherited. */
import {
  BOOT_LOADERS,
  CACHE_MODES,
  MACHINE_CLASSES,
  type MachineSettings,
  ON_NEW_VERSION,
} from './records.ts';
import { oneOf, optionalInteger, optionalText, type Row } from './row.ts';

export const SETTING_COLUMNS = [
  'vdisk_id',
  'class',
  'cache_mode',
  'quota_bytes',
  'on_new_version',
  'enabled',
  'boot_loader',
] as const;

/** In the catalog a quota of none is -1, since NULL says that it is inherited. */
const NO_QUOTA = -1;

export const INHERITS_ALL: MachineSettings = {
  vdiskId: undefined,
  class: undefined,
  cacheMode: undefined,
  quotaBytes: undefined,
  onNewVersion: undefined,
  enabled: undefined,
  bootLoader: undefined,
};

/** What counts where neither a machine nor its collection says anything; a vDisk has to be named. */
export const DEFAULT_SETTINGS = {
  class: 'production',
  cacheMode: 'server',
  quotaBytes: null,
  onNewVersion: 'keep',
  enabled: true,
  bootLoader: 'auto',
} as const satisfies Partial<MachineSettings>;

/** In the order of SETTING_COLUMNS. */
export function settingValues(settings: MachineSettings): (string | number | null)[] {
  const { quotaBytes, enabled } = settings;
  return [
    settings.vdiskId ?? null,
    settings.class ?? null,
    settings.cacheMode ?? null,
    quotaBytes === null ? NO_QUOTA : (quotaBytes ?? null),
    settings.onNewVersion ?? null,
    enabled === undefined ? null : Number(enabled),
    settings.bootLoader ?? null,
  ];
}

/** @param prefix of the columns' names in the row */
export function settingsOf(row: Row, prefix = ''): MachineSettings {
  const word = <T extends string>(name: string, words: readonly T[]): T | undefined =>
    row[prefix + name] === null ? undefined : oneOf(row, prefix + name, words);
  const quota = optionalInteger(row, `${prefix}quota_bytes`);
  const enabled = optionalInteger(row, `${prefix}enabled`);
  return {
    vdiskId: optionalText(row, `${prefix}vdisk_id`),
    class: word('class', MACHINE_CLASSES),
    cacheMode: word('cache_mode', CACHE_MODES),
    quotaBytes: quota === NO_QUOTA ? null : quota,
    onNewVersion: word('on_new_version', ON_NEW_VERSION),
    enabled: enabled === undefined ? undefined : enabled === 1,
    bootLoader: word('boot_loader', BOOT_LOADERS),
  };
}

/** The first that says something counts. */
export function inherit(own: MachineSettings, from: MachineSettings): MachineSettings {
  return {
    vdiskId: own.vdiskId ?? from.vdiskId,
    class: own.class ?? from.class,
    cacheMode: own.cacheMode ?? from.cacheMode,
    quotaBytes: own.quotaBytes === undefined ? from.quotaBytes : own.quotaBytes,
    onNewVersion: own.onNewVersion ?? from.onNewVersion,
    enabled: own.enabled ?? from.enabled,
    bootLoader: own.bootLoader ?? from.bootLoader,
  };
}
