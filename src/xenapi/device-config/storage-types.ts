/** All drivers by the names that clients have for them, and which of them this server has. */
import type { AdapterKind } from '../../control/index.ts';
import type { Xen } from '../xen.ts';
import { xenError } from '../xen-error.ts';
import { CEPH_TYPES } from './ceph.ts';
import { ISCSI_TYPES } from './iscsi.ts';
import { ISO } from './iso.ts';
import { LOCAL_TYPES } from './local.ts';
import { NFS_TYPES } from './nfs.ts';
import { SAN_TYPES } from './san.ts';
import { SIMULATED_TYPES } from './simulated.ts';
import type { StorageType } from './storage-type.ts';
import { TGT_TYPES } from './tgt.ts';

export const STORAGE_TYPES: readonly StorageType[] = [
  ...NFS_TYPES,
  ...ISCSI_TYPES,
  ...SAN_TYPES,
  ...LOCAL_TYPES,
  ISO,
  ...CEPH_TYPES,
  ...TGT_TYPES,
  ...SIMULATED_TYPES,
];

/** Those of which this server has an adapter. */
export function servedTypes({ control }: Pick<Xen, 'control'>): readonly StorageType[] {
  const kinds = new Set(control.storage.kinds().map(({ kind }) => kind));
  return STORAGE_TYPES.filter((type) => type.kinds.some((kind) => kinds.has(kind)));
}

/** In any case of letters, as XenServer takes it. @throws XenError SR_UNKNOWN_DRIVER */
export function servedType(xen: Pick<Xen, 'control'>, name: string): StorageType {
  const found = servedTypes(xen).find((type) => type.name === name.toLowerCase());
  if (found === undefined) throw xenError('SR_UNKNOWN_DRIVER', name);
  return found;
}

/** What a repository of a kind is called that was made without us; undefined: a kind that no driver is for. */
export function typeOfKind(kind: string, settings: object): StorageType | undefined {
  const types = STORAGE_TYPES.filter(({ kinds }) => kinds.includes(kind));
  if (kind !== 'san') return types[0];
  const name = Object.hasOwn(settings, 'SCSIid') ? 'lvmohba' : 'lvm';
  return types.find((type) => type.name === name);
}

/** @throws XenError SR_UNKNOWN_DRIVER */
export function adapterKind(xen: Pick<Xen, 'control'>, kind: string, type: string): AdapterKind {
  const found = xen.control.storage.kinds().find((candidate) => candidate.kind === kind);
  if (found === undefined) throw xenError('SR_UNKNOWN_DRIVER', type);
  return found;
}
