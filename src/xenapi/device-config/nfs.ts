/** sm NFSSR.py, and nfs.py for the options of mount. */
import { type DeviceConfig, type KeyRules, refusedKey, simpleType } from './storage-type.ts';

const NFS = 'nfs';

/** Options of mount.nfs that are settings of ours. */
const SETTING_OF: ReadonlyMap<string, string> = new Map([
  ['vers', 'nfsversion'],
  ['nfsvers', 'nfsversion'],
  ['port', 'port'],
  ['mountport', 'mountPort'],
  ['nconnect', 'nconnect'],
  ['rsize', 'rsize'],
  ['wsize', 'wsize'],
]);

/**
 * Options that say how a kernel mounts, caches or waits. We mount nothing: requests wait as `patience` says, nothing is
 * cached, locks are ours.
 */
const OF_KERNELS: ReadonlySet<string> = new Set([
  ...['rw', 'hard', 'soft', 'softerr', 'softreval', 'intr', 'nointr', 'fg', 'bg', 'retry'],
  ...['timeo', 'retrans', 'tcp', 'mounttcp', 'lock', 'nolock', 'local_lock'],
  ...['ac', 'noac', 'actimeo', 'acregmin', 'acregmax', 'acdirmin', 'acdirmax', 'lookupcache'],
  ...['cto', 'nocto', 'sharecache', 'nosharecache', 'resvport', 'rdirplus', 'nordirplus'],
  ...['atime', 'noatime', 'diratime', 'nodiratime', 'relatime', 'norelatime', 'sync', 'async'],
  ...['dev', 'nodev', 'exec', 'noexec', 'suid', 'nosuid', 'acl', 'noacl', 'defaults', '_netdev'],
]);

/** Options that are what we do anyway, with the values for which they are. */
const AS_WE_DO: ReadonlyMap<string, string> = new Map([
  ['proto', 'tcp'],
  ['mountproto', 'tcp'],
  ['sec', 'sys'],
]);

/** What mount would be told. @throws XenError VALUE_NOT_SUPPORTED: what changes something that we cannot */
function mountOptions(value: string): DeviceConfig {
  const settings = new Map<string, string>();
  for (const option of value.split(',').map((text) => text.trim())) {
    const [name = '', text = ''] = option.split('=', 2);
    if (option === '' || OF_KERNELS.has(name) || AS_WE_DO.get(name) === text) continue;
    const setting = SETTING_OF.get(name);
    if (setting === undefined) {
      throw refusedKey('options', `the option ${name} is nothing that can be done here`, value);
    }
    settings.set(setting, text);
  }
  return settings;
}

function transport(value: string): DeviceConfig {
  if (value !== 'true') return new Map();
  throw refusedKey('useUDP', 'NFS is spoken over TCP only', value);
}

export const NFS_RULES: KeyRules = {
  ignored: new Set(['probeversion', 'nosubdir', 'subdir', 'preferred-image-formats']),
  replaced: new Map([
    ['options', mountOptions],
    ['useUDP', transport],
  ]),
};

export const NFS_KEYS: ReadonlyMap<string, string> = new Map([
  [
    'options',
    'Options of mount, separated by commas: vers, port, mountport, nconnect, rsize, wsize',
  ],
]);

/** 73 NFSMount, 108 NFSTarget. */
export const NFS_FAILURES = { UNREACHABLE: 108, PERMISSION_DENIED: 73, NOT_FOUND: 73 } as const;

export const NFS_TYPES = [
  simpleType({
    name: 'nfs',
    label: 'NFS',
    description: 'Files on an NFS server. One SR for each exported folder.',
    ...{ kind: NFS, shared: true, rules: NFS_RULES, features: [], keys: NFS_KEYS },
    failures: NFS_FAILURES,
    needs: [
      { oneOf: ['server'], number: 102 },
      { oneOf: ['serverpath'], number: 101, choices: 'nfs-exports' },
    ],
  }),
];
