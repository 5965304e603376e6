/** The settings of a Ceph repository, checked. */
import { ArrayError } from '../../errors/index.ts';
import type { Connection, SettingField, SettingValue } from '../../repositories/index.ts';
import { CLONE_DEPTH, CLONE_DEPTH_MOST, PATIENCE_MS } from './limits.ts';

export const CEPH_ADAPTER = 'ceph';

const text = { type: 'text', required: false, secret: false } as const;

export const CEPH_SETTINGS: readonly SettingField[] = [
  {
    name: 'monHosts',
    type: 'list',
    required: false,
    secret: false,
    description:
      'Monitors, as in ceph.conf: 10.0.0.1, 10.0.0.1:6789 or [v2:10.0.0.1:3300,v1:10.0.0.1:6789]. Either this or conf.',
  },
  {
    ...text,
    name: 'conf',
    description: 'Path of a ceph.conf on this server, e.g. /etc/ceph/ceph.conf.',
  },
  { ...text, name: 'pool', description: 'The pool that holds the images.' },
  {
    ...text,
    name: 'namespace',
    description: 'An RBD namespace inside the pool; none unless given.',
  },
  { ...text, name: 'user', description: 'The Ceph user without "client."; admin unless given.' },
  {
    name: 'cloneDepth',
    type: 'integer',
    required: false,
    secret: false,
    description: `Longest chain of linked clones; ${CLONE_DEPTH} unless given, at most ${CLONE_DEPTH_MOST}.`,
  },
  {
    name: 'patience',
    type: 'integer',
    required: false,
    secret: false,
    description: `Seconds that requests wait for a data path that broke; ${PATIENCE_MS / 1000} unless given.`,
  },
  {
    ...text,
    name: 'key',
    secret: true,
    description: "The user's key, as `ceph auth get-key` says.",
  },
  { ...text, name: 'keyring', secret: true, description: 'A whole keyring instead of the key.' },
];

export interface CephSettings {
  readonly monHosts: readonly string[];
  readonly conf: string | undefined;
  /** undefined only while probing. */
  readonly pool: string | undefined;
  readonly namespace: string | undefined;
  readonly user: string;
  readonly cloneDepth: number;
  readonly patienceMs: number;
  /** The text of a keyring. A secret. */
  readonly keyring: string | undefined;
}

/** Names of pools, namespaces and users go into image specs and file sections. */
const NAME = /^[A-Za-z0-9._][A-Za-z0-9._-]{0,99}$/;
const MON_HOST = /^[A-Za-z0-9.:[\],/-]{1,200}$/;
const KEY = /^[A-Za-z0-9+/]{20,200}={0,2}$/;

/** @throws ArrayError INVALID_ARGUMENT with the field */
export function readSettings(connection: Pick<Connection, 'settings' | 'secrets'>): CephSettings {
  const { settings } = connection;
  const user = named(settings, 'user') ?? 'admin';
  const conf = settings['conf'];
  if (conf !== undefined && typeof conf !== 'string') throw wrong('conf', conf, 'a path');
  return {
    monHosts: monHosts(settings['monHosts']),
    conf: conf === '' ? undefined : conf,
    pool: named(settings, 'pool'),
    namespace: named(settings, 'namespace'),
    user,
    cloneDepth: whole(settings, 'cloneDepth', CLONE_DEPTH, CLONE_DEPTH_MOST),
    patienceMs: whole(settings, 'patience', PATIENCE_MS / 1000, 86_400) * 1000,
    keyring: keyringText(connection.secrets, user),
  };
}

function monHosts(value: SettingValue | undefined): readonly string[] {
  if (value === undefined || value === '') return [];
  const list = typeof value === 'string' ? value.split(/\s+|,(?![^[]*\])/) : value;
  if (typeof list !== 'object') throw wrong('monHosts', value, 'a list of addresses');
  const hosts = list.map((host) => host.trim()).filter((host) => host !== '');
  const odd = hosts.find((host) => !MON_HOST.test(host));
  if (odd !== undefined) throw wrong('monHosts', odd, 'an address of a monitor');
  return hosts;
}

function named(settings: Connection['settings'], field: string): string | undefined {
  const value = settings[field];
  if (value === undefined || value === '') return undefined;
  if (typeof value === 'string' && NAME.test(value)) return value;
  throw wrong(field, value, 'letters, digits, ".", "_" or "-"');
}

function whole(
  settings: Connection['settings'],
  field: string,
  otherwise: number,
  most: number,
): number {
  const value = settings[field];
  if (value === undefined) return otherwise;
  if (typeof value === 'number' && Number.isInteger(value) && value >= 1 && value <= most) {
    return value;
  }
  throw wrong(field, value, `1 to ${most}`);
}

/** What a secret looks like is said nowhere but here, and its value never. */
function keyringText(secrets: Connection['secrets'], user: string): string | undefined {
  const { key, keyring } = secrets as { key?: string; keyring?: string };
  if (keyring !== undefined && keyring.trim() !== '') return `${keyring.trim()}\n`;
  if (key === undefined || key === '') return undefined;
  if (!KEY.test(key.trim())) {
    throw new ArrayError('INVALID_ARGUMENT', 'the key is not the key of a Ceph user', {
      field: 'key',
      expected: 'base64, as `ceph auth get-key` prints it',
    });
  }
  return `[client.${user}]\n\tkey = ${key.trim()}\n`;
}

function wrong(field: string, value: unknown, expected: string): ArrayError {
  return new ArrayError('INVALID_ARGUMENT', `the setting ${field} is wrong`, {
    field,
    value,
    expected,
  });
}
