/** Settings as people give them, as the catalog keeps them, and as they are shown. */
import { Fault } from '../../errors/index.ts';
import type { Catalog } from '../catalog/catalog.ts';
import { DEFAULT_SETTINGS, INHERITS_ALL } from '../catalog/machine-settings.ts';
import type { MachineSettings } from '../catalog/records.ts';
import type {
  SettingName,
  SettingSource,
  SettingsInput,
  SettingsView,
} from '../schemas/settings.ts';
import { parseQuota } from '../values/quota.ts';
import { findVdisk } from './find.ts';

interface SettingsChange extends SettingsInput {
  readonly inherit?: readonly SettingName[];
}

/**
 * What is given replaces what was there, what is to be inherited goes, the rest stays.
 * @param of whose they are, for the field that an error names, e.g. `machine`
 * @throws Fault INVALID_INPUT, NOT_FOUND (the vDisk)
 */
export function changedSettings(
  catalog: Catalog,
  before: MachineSettings,
  { inherit = [], ...given }: SettingsChange,
  of: string,
): MachineSettings {
  const both = inherit.find((name) => given[name] !== undefined);
  if (both !== undefined) {
    throw new Fault('INVALID_INPUT', `${both} cannot be given and be inherited at once`, {
      field: `${of}.inherit`,
      value: both,
      expected: 'one or the other',
    });
  }
  const { vdisk, quota } = given;
  let after: MachineSettings = {
    vdiskId: vdisk === undefined ? before.vdiskId : findVdisk(catalog, vdisk, `${of}.vdisk`).id,
    class: given.class ?? before.class,
    cacheMode: given.cacheMode ?? before.cacheMode,
    quotaBytes:
      quota === undefined ? before.quotaBytes : (parseQuota(quota, `${of}.quota`) ?? null),
    onNewVersion: given.onNewVersion ?? before.onNewVersion,
    enabled: given.enabled ?? before.enabled,
    bootLoader: given.bootLoader ?? before.bootLoader,
  };
  for (const name of inherit) after = { ...after, ...NOTHING_SAID[name] };
  return after;
}

/** Of something new: what is not given is inherited. @throws Fault INVALID_INPUT, NOT_FOUND */
export function newSettings(catalog: Catalog, input: SettingsInput, of: string): MachineSettings {
  return changedSettings(catalog, INHERITS_ALL, input, of);
}

const NOTHING_SAID: Readonly<Record<SettingName, Partial<MachineSettings>>> = {
  vdisk: { vdiskId: undefined },
  class: { class: undefined },
  cacheMode: { cacheMode: undefined },
  quota: { quotaBytes: undefined },
  onNewVersion: { onNewVersion: undefined },
  enabled: { enabled: undefined },
  bootLoader: { bootLoader: undefined },
};

/**
 * @param owner whose `own` are
 * @param vdiskName by id
 */
export function settingsView(
  owner: Exclude<SettingSource, 'default'>,
  own: MachineSettings,
  collection: MachineSettings | undefined,
  vdiskName: (id: string) => string,
): SettingsView {
  const {
    class: ofClass,
    cacheMode,
    quotaBytes,
    onNewVersion,
    enabled,
    bootLoader,
  } = DEFAULT_SETTINGS;
  const inherited = collection ?? INHERITS_ALL;
  const said = <T>(
    mine: T | undefined,
    theirs: T | undefined,
    otherwise: T,
  ): { value: T; from: SettingSource } => {
    if (mine !== undefined) return { value: mine, from: owner };
    return theirs === undefined
      ? { value: otherwise, from: 'default' }
      : { value: theirs, from: 'collection' };
  };
  const vdisk = said<string | null>(own.vdiskId, inherited.vdiskId, null);
  return {
    vdisk: { ...vdisk, value: vdisk.value === null ? null : vdiskName(vdisk.value) },
    class: said(own.class, inherited.class, ofClass),
    cacheMode: said(own.cacheMode, inherited.cacheMode, cacheMode),
    quota: said(own.quotaBytes, inherited.quotaBytes, quotaBytes),
    onNewVersion: said(own.onNewVersion, inherited.onNewVersion, onNewVersion),
    enabled: said(own.enabled, inherited.enabled, enabled),
    bootLoader: said(own.bootLoader, inherited.bootLoader, bootLoader),
  };
}
