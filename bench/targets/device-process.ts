/**
 * Serves a disk of a storage server over NBD, with nothing in between but our own initiator or NFS client: for the
 * comparison with QEMU's.
 *
 *   node bench/targets/device-process.ts '{"kind":"iscsi","portal":"127.0.0.1:3260","iqn":"iqn…","lun":1}'
 */
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
