/** device_config and an adapter's settings: there and back. */
import type { AdapterKind, RepositoryRecord } from '../../control/index.ts';
import { ALLOCATION } from './carved.ts';
import { type DeviceConfig, type Need, refusedKey, type StorageType } from './storage-type.ts';

export type Settings = RepositoryRecord['settings'];
type Field = AdapterKind['settings'][number];
type SettingValue = Settings[string];

/** What a repository is made with. */
export interface Target {
  readonly kind: string;
  readonly settings: Settings;
  readonly secrets: Readonly<Record<string, string>>;
}

/** The first thing that is missing; undefined: nothing. Of what is empty nothing is said. */
export function missingIn({ needs }: StorageType, config: DeviceConfig): Need | undefined {
  return needs.find(({ oneOf }) => oneOf.every((key) => (config.get(key) ?? '') === ''));
}

/** What of sm_config says something about the storage as well. */
export function withSmConfig(config: DeviceConfig, smConfig: DeviceConfig): DeviceConfig {
  const allocation = smConfig.get(ALLOCATION);
  if (allocation === undefined || config.has(ALLOCATION)) return config;
  return new Map([...config, [ALLOCATION, allocation]]);
}

/**
 * @param config with its passwords (passwords.ts), complete or not
 * @throws XenError VALUE_NOT_SUPPORTED naming the key
 */
export function toTarget(type: StorageType, adapter: AdapterKind, config: DeviceConfig): Target {
  const given = new Map([...config].filter(([, value]) => value !== ''));
  const settings: [string, SettingValue][] = [];
  const secrets: [string, string][] = [];
  for (const [name, text] of type.toSettings(given)) {
    const field = adapter.settings.find((candidate) => candidate.name === name);
    if (field === undefined) {
      throw refusedKey(
        name,
        `type ${type.name} has no such key, and it is not known what it means`,
      );
    }
    if (field.secret) secrets.push([name, text]);
    else settings.push([name, parsed(field, text)]);
  }
  return {
    kind: adapter.kind,
    settings: Object.fromEntries(settings),
    secrets: Object.fromEntries(secrets),
  };
}

/** A setting as text of device_config. @throws XenError VALUE_NOT_SUPPORTED */
function parsed({ name, type }: Field, text: string): SettingValue {
  switch (type) {
    case 'text':
      return text;
    case 'integer': {
      const value = Number(text);
      if (/^-?\d+$/.test(text) && Number.isSafeInteger(value)) return value;
      throw refusedKey(name, 'a whole number is expected', text);
    }
    case 'boolean':
      if (text === 'true' || text === 'false') return text === 'true';
      throw refusedKey(name, 'true or false is expected', text);
    case 'list':
      return text.split(',').map((item) => item.trim());
  }
}

/** As the driver of XenServer would have been told. Without secrets. */
export function toDeviceConfig(type: StorageType, settings: Settings): DeviceConfig {
  const texts = Object.entries(settings).map(
    ([name, value]) => [name, typeof value === 'object' ? value.join(',') : String(value)] as const,
  );
  return type.toDeviceConfig(new Map(texts));
}
