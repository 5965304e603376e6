/**
 * What can be said of a machine by itself, by its collection or by the enrolment template. A setting that
 * nobody gives is inherited: from the collection, or else it is the default.
 */
import Type, { type Static } from 'typebox';
import { BOOT_LOADERS, CACHE_MODES, MACHINE_CLASSES, ON_NEW_VERSION } from '../catalog/records.ts';
import { BytesField, CacheModeField, NameField, nullable, QuotaField, words } from './fields.ts';

/** Under the names that inputs give them. */
export const SETTINGS = [
  'vdisk',
  'class',
  'cacheMode',
  'quota',
  'onNewVersion',
  'enabled',
  'bootLoader',
] as const;
export type SettingName = (typeof SETTINGS)[number];

/** Spread into the inputs that take them. */
export const SETTING_FIELDS = {
  vdisk: Type.Optional(NameField),
  class: Type.Optional(
    Type.Unsafe<(typeof MACHINE_CLASSES)[number]>({
      ...words(MACHINE_CLASSES),
      description: `which versions it boots, from its next boot on: one of ${MACHINE_CLASSES.join(', ')}`,
    }),
  ),
  cacheMode: Type.Optional(CacheModeField),
  quota: Type.Optional(QuotaField),
  onNewVersion: Type.Optional(
    Type.Unsafe<(typeof ON_NEW_VERSION)[number]>({
      ...words(ON_NEW_VERSION),
      description: `what becomes of a persistent write cache when there is another version to boot: one of ${ON_NEW_VERSION.join(', ')}`,
    }),
  ),
  enabled: Type.Optional(Type.Boolean()),
  bootLoader: Type.Optional(
    Type.Unsafe<(typeof BOOT_LOADERS)[number]>({
      ...words(BOOT_LOADERS),
      description:
        'what UEFI firmware is given first: ipxe; grub: signed shim and GRUB, for Secure Boot; auto: what pxe.uefiLoader says',
    }),
  ),
};

const SettingsInput = Type.Object(SETTING_FIELDS);
export type SettingsInput = Static<typeof SettingsInput>;

/** In changes: settings to say nothing about any more. */
export const INHERIT_FIELD = {
  inherit: Type.Optional(
    Type.Array(words(SETTINGS), {
      uniqueItems: true,
      maxItems: SETTINGS.length,
      description: `settings to be inherited again, any of ${SETTINGS.join(', ')}`,
    }),
  ),
};

/** Who says it. */
export const SETTING_SOURCES = ['machine', 'template', 'collection', 'default'] as const;
export type SettingSource = (typeof SETTING_SOURCES)[number];

function setting<T extends Type.TSchema>(value: T) {
  return Type.Object({ value, from: words(SETTING_SOURCES) });
}

export const SettingsView = Type.Object(
  {
    vdisk: setting(nullable(Type.String())),
    class: setting(words(MACHINE_CLASSES)),
    cacheMode: setting(words(CACHE_MODES)),
    quota: setting(nullable(BytesField)),
    onNewVersion: setting(words(ON_NEW_VERSION)),
    enabled: setting(Type.Boolean()),
    bootLoader: setting(words(BOOT_LOADERS)),
  },
  { description: 'each setting as it counts, and who says it' },
);
export type SettingsView = Static<typeof SettingsView>;
