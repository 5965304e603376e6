/**
 * Serves a disk of a storage server over NBD, with nothing in between but our own initiator or NFS client: for the
 * comparison with QEMU's.
 *
 *   node bench/targets/device-process.ts '{"kind":"iscsi","portal":"127.0.0.1:3260","iqn":"iqn…","lun":1}'
 */
import { nfsAdapter } from '../../src/adapters/nfs/index.ts';
import { type BlockDevice, CheckedDevice, ReadOnlyDevice } from '../../src/block/index.ts';
import { IscsiDataPort } from '../../src/iscsi/index.ts';
import { singleExport } from '../../src/nbd/index.ts';
import { serveExports } from './serve-exports.ts';

export type DeviceConfig =
  | { readonly kind: 'iscsi'; readonly portal: string; readonly iqn: string; readonly lun: number }
  | {
      readonly kind: 'nfs';
      readonly host: string;
      readonly nfsPort: number;
      readonly mountPort: number;
      /** The export, as NFSv3 mounts it. */
      readonly path: string;
      readonly file: string;
      /** Of the NBD server. */
      readonly socket: string;
    };

const log = {
  info: () => undefined,
  warn: (_details: object, message: string) => console.error(message),
  error: (_details: object, message: string) => console.error(message),
};

async function open(config: DeviceConfig): Promise<BlockDevice> {
  if (config.kind === 'iscsi') {
    const { portal, iqn, lun } = config;
    const initiatorName = 'iqn.2026-01.dev.rootcast.bench:initiator';
    return new IscsiDataPort({ log }).open({
      ...{ portals: [portal], iqn, lun, initiatorName, write: false },
    });
  }
  const { host, nfsPort, mountPort, path, file } = config;
  const settings = { server: host, serverpath: path, port: nfsPort, mountPort };
  const connection = { repositoryId: 'bench', settings, secrets: {}, initiatorName: '' };
  const parts = { log, clock: () => performance.now() };
  // What the control port would count readers and writers in: there is nobody else.
  const volumes = nfsAdapter.openData(connection, parts, async () => new SharedArrayBuffer(64));
  const locator = { adapter: 'nfs', repository: 'bench', volume: file, address: { path: file } };
  return volumes.open(locator, { write: false });
}

async function main(config: DeviceConfig): Promise<void> {
  const device = new CheckedDevice(new ReadOnlyDevice(await open(config)));
  const socket = config.kind === 'nfs' ? config.socket : undefined;
  await serveExports(singleExport('', device), socket);
}

if (import.meta.main) await main(JSON.parse(process.argv[2] ?? '{}') as DeviceConfig);
