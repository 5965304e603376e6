/** What a repository on an NFS server is told, as XenServer's device_config spells it where it has the thing. */
import { hostname } from 'node:os';
import { threadId } from 'node:worker_threads';
import { ArrayError } from '../../errors/index.ts';
import type { Connection, SettingField, SettingValue } from '../../repositories/index.ts';
import {
  CONNECTIONS_MOST,
  PATIENCE_MOST_S,
  PATIENCE_S,
  TRANSFER_BYTES,
  TRANSFER_LEAST_BYTES,
} from './limits.ts';
import type { Time } from './rpc/time.ts';
import type { ShareOptions } from './share/rpc-share.ts';
import { PORTMAP_PORT } from './wire/portmap.ts';

type Kind = SettingField['type'];

function field(name: string, type: Kind, required: boolean, description: string): SettingField {
  return { name, type, required, secret: false, description };
}

export const NFS_SETTINGS: readonly SettingField[] = [
  field('server', 'text', true, 'Address or name of the NFS server.'),
  field('serverpath', 'text', true, 'The exported folder; its files become the volumes.'),
  field('nfsversion', 'text', false, 'Version of NFS: 3 or 4 (4.0). 3 unless given.'),
  field(
    'port',
    'integer',
    false,
    'Port of NFS. Without it version 3 asks the port mapper; version 4 takes 2049.',
  ),
  field(
    'mountPort',
    'integer',
    false,
    'Port of MOUNT (version 3). Without it the port mapper is asked.',
  ),
  field('portmapPort', 'integer', false, 'Port of the port mapper (version 3). 111 unless given.'),
  field('uid', 'integer', false, 'User id that the server sees. 0 unless given.'),
  field('gid', 'integer', false, 'Group id that the server sees. 0 unless given.'),
  field(
    'patience',
    'integer',
    false,
    `Seconds for which requests wait for a server that does not answer. ${PATIENCE_S} unless given.`,
  ),
  field(
    'nconnect',
    'integer',
    false,
    `TCP connections of each thread, 1 to ${CONNECTIONS_MOST}. 1 unless given.`,
  ),
  field(
    'rsize',
    'integer',
    false,
    `Bytes of the largest READ. What the server likes, at most ${TRANSFER_BYTES}, unless given.`,
  ),
  field(
    'wsize',
    'integer',
    false,
    `Bytes of the largest WRITE. What the server likes, at most ${TRANSFER_BYTES}, unless given.`,
  ),
  field(
    'reservedPort',
    'boolean',
    false,
    'Connect from a port below 1024, as many servers demand. True unless given; has no effect without the right to.',
  ),
];

export interface NfsSettings {
  readonly server: string;
  readonly path: string;
  readonly version: 3 | 4;
  readonly port: number | undefined;
  readonly mountPort: number | undefined;
  readonly portmapPort: number;
  readonly uid: number;
  readonly gid: number;
  /** Milliseconds. */
  readonly patience: number;
  readonly connections: number;
  readonly readMost: number | undefined;
  readonly writeMost: number | undefined;
  readonly reservedPort: boolean;
}

type Given = Connection['settings'];

/** @throws ArrayError INVALID_ARGUMENT */
export function nfsSettings(given: Given): NfsSettings {
  const path = textOf(given, 'serverpath');
  if (path !== '' && !path.startsWith('/')) throw invalid('serverpath', path, 'an absolute path');
  const version = textOf(given, 'nfsversion') || '3';
  if (!/^(3|4|4\.0)$/.test(version)) throw invalid('nfsversion', version, '3 or 4');
  const number = (name: string, least: number, most: number): number | undefined =>
    numberOf(given, name, least, most);
  const transfer = [TRANSFER_LEAST_BYTES, TRANSFER_BYTES] as const;
  return {
    server: textOf(given, 'server'),
    path: path.length > 1 ? path.replace(/\/+$/, '') : path,
    version: version === '3' ? 3 : 4,
    port: number('port', 1, 65_535),
    mountPort: number('mountPort', 1, 65_535),
    portmapPort: number('portmapPort', 1, 65_535) ?? PORTMAP_PORT,
    uid: number('uid', 0, 2 ** 32 - 2) ?? 0,
    gid: number('gid', 0, 2 ** 32 - 2) ?? 0,
    patience: (number('patience', 1, PATIENCE_MOST_S) ?? PATIENCE_S) * 1000,
    connections: number('nconnect', 1, CONNECTIONS_MOST) ?? 1,
    readMost: number('rsize', ...transfer),
    writeMost: number('wsize', ...transfer),
    reservedPort: given['reservedPort'] !== false,
  };
}

function textOf(given: Given, name: string): string {
  const value = given[name];
  return typeof value === 'string' || typeof value === 'number' ? String(value).trim() : '';
}

function numberOf(given: Given, name: string, least: number, most: number): number | undefined {
  const value: SettingValue | undefined = given[name];
  if (value === undefined || value === '') return undefined;
  const number = Number(value);
  if (Number.isInteger(number) && number >= least && number <= most) return number;
  throw invalid(name, value, `${least} to ${most}`);
}

function invalid(name: string, value: unknown, expected: string): ArrayError {
  const message = `${name} cannot be ${String(value)}`;
  return new ArrayError('INVALID_ARGUMENT', message, { field: name, value, expected });
}

/** @param purpose tells the clients of one thread apart */
export function shareOptions(
  settings: NfsSettings,
  time: Time,
  random: () => number,
  purpose: string,
): ShareOptions {
  const { uid, gid } = settings;
  const unique = Math.floor(random() * 2 ** 32).toString(36);
  return {
    server: settings.server,
    path: settings.path,
    port: settings.port,
    mountPort: settings.mountPort,
    portmapPort: settings.portmapPort,
    credential: { machine: hostname(), uid, gid, groups: [gid] },
    reservedPort: settings.reservedPort,
    patience: settings.patience,
    connections: settings.connections,
    time,
    random,
    clientName: `rootcast/${hostname()}/${process.pid}.${threadId}/${purpose}/${unique}`,
  };
}
