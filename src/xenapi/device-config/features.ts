/** What SRs of a type can (xen-api smint.ml). Of what an array cannot, Rootcast does most above it. */
import type { StorageType } from './storage-type.ts';

/** Volumes of every kind: thin, grown, cloned, with snapshots and their differences. */
const OF_ALL = [
  ...['SR_CREATE', 'SR_DELETE', 'SR_ATTACH', 'SR_DETACH', 'SR_SCAN', 'SR_PROBE', 'SR_UPDATE'],
  ...['VDI_CREATE', 'VDI_DELETE', 'VDI_ATTACH', 'VDI_DETACH', 'VDI_ACTIVATE', 'VDI_DEACTIVATE'],
  ...['VDI_UPDATE', 'VDI_RESIZE', 'VDI_CLONE', 'VDI_SNAPSHOT', 'VDI_CONFIG_CBT'],
  ...['THIN_PROVISIONING', 'LARGE_VDI'],
];

/** Kinds whose adapters grow what is open, and take in what others have made. */
const RESIZED_ONLINE: ReadonlySet<string> = new Set([
  ...['local', 'nfs', 'iscsi', 'san', 'ceph', 'simulated'],
]);
const ADOPTING: ReadonlySet<string> = new Set(['local', 'nfs', 'ceph', 'simulated']);

export function featuresOf({ kinds, features }: StorageType): readonly string[] {
  return [
    ...OF_ALL,
    ...(kinds.every((kind) => RESIZED_ONLINE.has(kind)) ? ['VDI_RESIZE_ONLINE'] : []),
    ...(kinds.every((kind) => ADOPTING.has(kind)) ? ['VDI_INTRODUCE'] : []),
    ...features,
  ];
}
