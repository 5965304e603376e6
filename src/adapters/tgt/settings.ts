/** The settings of a tgt repository, checked. */
import { isAbsolute } from 'node:path';
import { ArrayError } from '../../errors/index.ts';
import type { Connection, SettingField } from '../../repositories/index.ts';
import { PATIENCE_MS } from './limits.ts';

export const TGT_ADAPTER = 'tgt';

const optional = { required: false, secret: false } as const;

export const TGT_SETTINGS: readonly SettingField[] = [
  {
    name: 'folder',
    type: 'text',
    required: true,
    secret: false,
    description: 'Folder for the volumes, on this server, where tgtd sees it too.',
  },
  {
    ...optional,
    name: 'target',
    type: 'list',
    description: "Portals as hosts reach them, HOST:PORT; the daemon's own unless given.",
  },
  {
    ...optional,
    name: 'iqnPrefix',
    type: 'text',
    description: 'What the names of targets begin with; iqn.2026-01.dev.rootcast.tgt unless given.',
  },
  {
    ...optional,
    name: 'controlPort',
    type: 'integer',
    description: 'As in tgtd -C; 0 unless given.',
  },
  {
    ...optional,
    name: 'ipcSocket',
    type: 'text',
    description: "tgtd's TGT_IPC_SOCKET, where it was started with one.",
  },
  {
    ...optional,
    name: 'patience',
    type: 'integer',
    description: `Seconds that requests wait for a path; ${PATIENCE_MS / 1000} unless given.`,
  },
];

export interface TgtSettings {
  readonly folder: string;
  /** Empty: those of the daemon. */
  readonly portals: readonly string[];
  readonly iqnPrefix: string;
  readonly controlPort: number;
  readonly ipcSocket: string | undefined;
  readonly patienceMs: number;
}

const IQN = /^iqn\.\d{4}-\d{2}\.[a-z0-9.:-]{1,120}$/;
const PORTAL = /^(\[[0-9a-f:.]+\]|[A-Za-z0-9.-]+):\d{1,5}$/i;
/** tgtadm splits parameters at commas. */
const PATH = /^[\x20-\x2b\x2d-\x7e]{1,200}$/;

/** @throws ArrayError INVALID_ARGUMENT with the field */
export function readSettings(connection: Pick<Connection, 'settings'>): TgtSettings {
  const { settings } = connection;
  const { folder, target, iqnPrefix, controlPort = 0, ipcSocket, patience } = settings;
  if (typeof folder !== 'string' || !isAbsolute(folder) || !PATH.test(folder)) {
    throw wrong('folder', folder, 'an absolute path without commas');
  }
  const portals = typeof target === 'string' ? [target] : (target ?? []);
  if (typeof portals !== 'object' || !portals.every((portal) => PORTAL.test(portal))) {
    throw wrong('target', target, 'a list of HOST:PORT');
  }
  const prefix = iqnPrefix ?? 'iqn.2026-01.dev.rootcast.tgt';
  if (typeof prefix !== 'string' || !IQN.test(prefix)) {
    throw wrong('iqnPrefix', iqnPrefix, 'iqn.YYYY-MM.NAME');
  }
  if (!isWhole(controlPort, 32_767)) throw wrong('controlPort', controlPort, '0 to 32767');
  if (ipcSocket !== undefined && typeof ipcSocket !== 'string') {
    throw wrong('ipcSocket', ipcSocket, 'a path');
  }
  const seconds = patience ?? PATIENCE_MS / 1000;
  if (!isWhole(seconds, 86_400)) throw wrong('patience', patience, 'seconds');
  const patienceMs = seconds * 1000;
  return { folder, portals, iqnPrefix: prefix, controlPort, ipcSocket, patienceMs };
}

function isWhole(value: unknown, most: number): value is number {
  return typeof value === 'number' && Number.isInteger(value) && value >= 0 && value <= most;
}

function wrong(field: string, value: unknown, expected: string): ArrayError {
  return new ArrayError('INVALID_ARGUMENT', `the setting ${field} is wrong`, {
    field,
    value,
    expected,
  });
}
