/**
 * sm ISOSR.py: images of CDs in a folder of this server or of an NFS server. What lies in it is adopted by a scan, as
 * XenServer shows it, and new images can be made in it.
 */
import { LOCAL_FAILURES, LOCATION } from './local.ts';
import { NFS_FAILURES, NFS_KEYS, NFS_RULES } from './nfs.ts';
import { type DeviceConfig, refusedKey, rewritten, type StorageType } from './storage-type.ts';

/** Of NFS: SERVER:/PATH. */
const OF_NFS = /^(?<server>\[[^\]]+\]|[^:/\\[\]]+):(?<path>\/.*)$/;

const OWN_KEYS = new Set(['location', 'iso_path', 'type']);

function kindOf(config: DeviceConfig): string {
  const type = config.get('type') ?? '';
  const location = config.get('location') ?? '';
  if (type !== '' && type !== 'nfs_iso') {
    throw refusedKey('type', 'nfs_iso or nothing is expected: SMB is not spoken here', type);
  }
  if (OF_NFS.test(location) || config.has('serverpath')) return 'nfs';
  if (location.startsWith('/') || config.has('path')) return 'local';
  const expected = 'SERVER:/PATH of NFS, or the path of a folder of this server, is expected';
  throw refusedKey('location', expected, location);
}

function toSettings(config: DeviceConfig): DeviceConfig {
  const rest = new Map([...config].filter(([key]) => !OWN_KEYS.has(key)));
  const location = config.get('location');
  if (kindOf(config) === 'nfs') {
    const { server, path = '' } = OF_NFS.exec(location ?? '')?.groups ?? {};
    if (server !== undefined) {
      rest.set('server', server.replace(/^\[(.*)\]$/, '$1'));
      rest.set('serverpath', joined(path, config.get('iso_path')));
    }
    const { ignored = new Set<string>(), ...rules } = NFS_RULES;
    return rewritten(rest, { ...rules, ignored: new Set([...ignored, 'legacy_mode']) });
  }
  if (location !== undefined) rest.set('location', joined(location, config.get('iso_path')));
  return rewritten(rest, LOCATION);
}

function joined(path: string, inside = ''): string {
  const folder = inside.replace(/^\/+|\/+$/g, '');
  return folder === '' ? path : `${path.replace(/\/+$/, '')}/${folder}`;
}

function toDeviceConfig(settings: DeviceConfig): DeviceConfig {
  const { server, serverpath, path, ...rest } = Object.fromEntries(settings);
  const config = new Map(Object.entries(rest));
  if (path !== undefined) return config.set('location', path).set('legacy_mode', 'true');
  const host = server?.includes(':') === true ? `[${server}]` : (server ?? '');
  return config.set('location', `${host}:${serverpath ?? ''}`);
}

export const ISO: StorageType = {
  name: 'iso',
  label: 'ISO library',
  description: 'Images of CDs in a folder of this server, or of an NFS server.',
  ...{ kinds: ['local', 'nfs'], shared: true, features: [], kindOf, toSettings, toDeviceConfig },
  keys: new Map([
    ...NFS_KEYS,
    ['location', 'SERVER:/PATH of NFS, or the path of a folder of this server'],
    ['iso_path', 'A folder inside of that'],
    ['type', 'nfs_iso, or nothing'],
  ]),
  needs: [{ oneOf: ['location', 'path', 'serverpath'], number: 94 }],
  failures: { ...LOCAL_FAILURES, ...NFS_FAILURES },
};
