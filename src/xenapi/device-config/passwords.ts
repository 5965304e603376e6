/**
 * Passwords in device_config (xapi_secret.ml): they are moved into an object of class secret, and `<key>_secret` names
 * it. So is what else an adapter keeps secret, whatever it is called.
 */
import type { AdapterKind } from '../../control/index.ts';
import type { DeviceConfig } from './storage-type.ts';

export const SECRET_ENDING = '_secret';

function isSecret(key: string, adapter: AdapterKind): boolean {
  return (
    key.endsWith('password') || adapter.settings.some(({ name, secret }) => secret && name === key)
  );
}

/** What was given with the names of secrets, with the passwords themselves. @throws what `secretValue` throws */
export function withPasswords(
  config: DeviceConfig,
  adapter: AdapterKind,
  secretValue: (uuid: string) => string,
): DeviceConfig {
  return new Map(
    [...config].map(([name, value]) => {
      const key = name.endsWith(SECRET_ENDING) ? name.slice(0, -SECRET_ENDING.length) : undefined;
      if (key === undefined || !isSecret(key, adapter)) return [name, value];
      return [key, secretValue(value)];
    }),
  );
}

/** As it may be shown. @param uuidOf the secret that has what a setting is */
export function withoutPasswords(
  config: DeviceConfig,
  adapter: AdapterKind,
  uuidOf: (setting: string) => string,
): DeviceConfig {
  return new Map(
    [...config].map(([name, value]) =>
      isSecret(name, adapter) ? [name + SECRET_ENDING, uuidOf(name)] : [name, value],
    ),
  );
}

/** What a repository shows of its secrets. */
export function secretKeys(
  fields: readonly string[],
  uuidOf: (setting: string) => string,
): DeviceConfig {
  return new Map(fields.map((field) => [field + SECRET_ENDING, uuidOf(field)]));
}
