/** What the messages of VDI have in common. */
import type { RepositoryRecord } from '../../../control/index.ts';
import type { Call } from '../../call.ts';
import type { Ref } from '../../datamodel/description.ts';
import { VDI, type VdiOperation } from '../../datamodel/vdi.ts';
import type { Disk, VdiRecord } from '../../disks/disk.ts';
import { mayShareVdi, refusalOf } from '../../disks/rules.ts';
import { situationOf } from '../../disks/situation.ts';
import { vdiFault } from '../../disks/vdi-faults.ts';
import { VDISK_SR } from '../../disks/vdisk-sr.ts';
import type { Xen } from '../../xen.ts';
import { XenError, xenError } from '../../xen-error.ts';

/** Operations of a VDI that are one of its SR, too: what ends the SR waits for them. */
const OF_SR: Partial<Readonly<Record<VdiOperation, string>>> = {
  clone: 'vdi_clone',
  snapshot: 'vdi_snapshot',
  destroy: 'vdi_destroy',
  resize: 'vdi_resize',
  resize_online: 'vdi_resize',
  enable_cbt: 'vdi_enable_cbt',
  disable_cbt: 'vdi_disable_cbt',
  data_destroy: 'vdi_data_destroy',
  list_changed_blocks: 'vdi_list_changed_blocks',
  revert_to: 'vdi_revert',
};

/** Operations of VDIs do not disturb each other; what ends the SR does. */
const ENDS_SR: ReadonlySet<string> = new Set(['destroy', 'forget', 'unplug', 'pbd_destroy']);
const mayShareSr = (running: string): boolean => !ENDS_SR.has(running);

/** @throws XenError why it cannot be done now */
export function refuse(xen: Xen, { ref, record }: Disk, operation: VdiOperation): void {
  const refusal = refusalOf(operation, situationOf(xen, ref, record));
  if (refusal !== undefined) throw new XenError(refusal.code, refusal.parameters);
}

/**
 * Does it as an operation of the VDI, and of its SR.
 * @throws XenError why it cannot be done now, and what the control plane's failure is here
 */
export async function doing<T>(
  xen: Xen,
  call: Call,
  disk: Disk,
  operation: VdiOperation,
  work: () => Promise<T>,
): Promise<T> {
  refuse(xen, disk, operation);
  const { ref, record } = disk;
  const ofSr = OF_SR[operation];
  const inSr = ofSr === undefined ? work : () => doingInSr(xen, call, record.SR, ofSr, work);
  const target = { className: VDI.name, ref, operation, task: call.task };
  try {
    return await xen.operations.during(target, mayShareVdi, inSr);
  } catch (error) {
    throw vdiFault(error, { ref, sr: record.SR, operation });
  }
}

/** @throws XenError OTHER_OPERATION_IN_PROGRESS */
export function doingInSr<T>(
  { operations }: Xen,
  call: Call,
  sr: Ref,
  operation: string,
  work: () => Promise<T>,
): Promise<T> {
  const target = { className: 'SR', ref: sr, operation, task: call.task };
  return operations.during(target, mayShareSr, work);
}

/**
 * The repository of an SR, attached: what was detached has no plugged PBD.
 * @throws XenError HANDLE_INVALID, SR_OPERATION_NOT_SUPPORTED (it is that of vDisks), SR_HAS_NO_PBDS, SR_NOT_ATTACHED
 */
export function pluggedRepository({ objects, control }: Xen, sr: Ref): RepositoryRecord {
  const { kind, id } = objects.origin('SR', sr);
  if (sr === VDISK_SR) throw xenError('SR_OPERATION_NOT_SUPPORTED', sr);
  if (kind !== 'repository') throw xenError('SR_HAS_NO_PBDS', sr); // introduced, and never plugged
  const repository = control.catalog.repositories.byId(id);
  if (repository === undefined) throw xenError('HANDLE_INVALID', 'SR', sr);
  if (control.storage.isAttached(id)) return repository;
  throw repository.state === 'unreachable'
    ? xenError('SR_NOT_ATTACHED', sr)
    : xenError('SR_HAS_NO_PBDS', sr);
}

/** What a VDI is read of: vDisks are there as long as the service is. @throws XenError as `pluggedRepository` */
export function requireReadable(xen: Xen, sr: Ref): void {
  if (sr !== VDISK_SR) pluggedRepository(xen, sr);
}

/** Fields that a clone, a copy and a snapshot have of their source. */
export function copiedFields(record: VdiRecord) {
  const { name_label, name_description, type, sharable, other_config } = record;
  const { xenstore_data, allow_caching, tags } = record;
  return {
    ...{ name_label, name_description, type, sharable, other_config },
    ...{ xenstore_data, allow_caching, tags },
  };
}
