/** VDI.copy: a whole clone by the control plane, or block by block where that cannot do it. */
import type { Call, Handlers } from '../../call.ts';
import type { Ref } from '../../datamodel/description.ts';
import { VDI } from '../../datamodel/vdi.ts';
import { copyBlocks } from '../../disks/copy-blocks.ts';
import { type Disk, diskNameOf, diskOf } from '../../disks/disk.ts';
import { vdiFault } from '../../disks/vdi-faults.ts';
import { VDISK_SR } from '../../disks/vdisk-sr.ts';
import { isNullRef } from '../../objects/refs.ts';
import type { OpenDisk } from '../../ports.ts';
import type { Xen } from '../../xen.ts';
import { xenError } from '../../xen-error.ts';
import { makeEmpty, unmake } from './make.ts';
import { copiedFields, doing, pluggedRepository, refuse } from './parts.ts';
import { cloned } from './snapshot-and-clone.ts';

export const copyVdi =
  (xen: Xen): Handlers<typeof VDI>['copy'] =>
  (call, { vdi, sr, base_vdi: baseRef, into_vdi: into }) => {
    const source = diskOf(xen, vdi);
    const base = isNullRef(baseRef) ? undefined : diskOf(xen, baseRef);
    return doing(xen, call, source, 'copy', async () => {
      requireSource(xen, source);
      if (!isNullRef(into)) return copyInto(xen, call, { source, base, target: diskOf(xen, into) });
      const target = isNullRef(sr) ? source.record.SR : sr;
      const isOurs = source.origin.kind === 'volume' || source.origin.kind === 'snapshot';
      if (isOurs && base === undefined) return cloned(xen, call, source, target, 'full');
      return copyIntoNew(xen, call, { source, base, sr: target });
    });
  };

/** vDisks are there as long as the service is. @throws XenError SR_HAS_NO_PBDS … */
function requireSource(xen: Xen, { record }: Disk): void {
  if (record.SR !== VDISK_SR) pluggedRepository(xen, record.SR);
}

async function copyIntoNew(
  xen: Xen,
  call: Call,
  {
    source,
    base,
    sr,
  }: { readonly source: Disk; readonly base: Disk | undefined; readonly sr: Ref },
): Promise<Ref> {
  const { record } = source;
  const fields = { ...copiedFields(record), virtual_size: record.virtual_size };
  const made = await makeEmpty(xen, call, sr, fields);
  const target = diskOf(xen, made);
  try {
    return await copyInto(xen, call, { source, base, target, isDifference: base !== undefined });
  } catch (error) {
    await unmake(xen, target.origin.id);
    throw error;
  }
}

interface IntoTarget {
  readonly source: Disk;
  readonly base: Disk | undefined;
  readonly target: Disk;
  /** The target is to hold only what differs, and holes elsewhere. */
  readonly isDifference?: boolean;
}

/** @throws XenError VDI_READONLY, VDI_TOO_SMALL, VDI_NOT_SPARSE, VDI_IN_USE */
async function copyInto(xen: Xen, call: Call, copy: IntoTarget): Promise<Ref> {
  const { source, target } = copy;
  refuseTarget(xen, source, target);
  const { ref } = target;
  const operation = { className: VDI.name, ref, operation: 'copy', task: call.task };
  await xen.operations.during(
    operation,
    () => false,
    () => withDisks(xen, copy, (opened) => copyBlocks(opened, call)),
  );
  return ref;
}

function refuseTarget(xen: Xen, source: Disk, target: Disk): void {
  const { ref, record } = target;
  if (ref === source.ref)
    throw xenError('OPERATION_NOT_ALLOWED', 'a VDI cannot be copied into itself');
  if (record.read_only) throw xenError('VDI_READONLY', ref);
  const { virtual_size: size } = source.record;
  if (record.virtual_size < size) throw xenError('VDI_TOO_SMALL', ref, String(size));
  refuse(xen, target, 'copy');
  pluggedRepository(xen, record.SR);
}

type Opened = Parameters<typeof copyBlocks>[0];

async function withDisks(
  xen: Xen,
  { source, base, target, isDifference }: IntoTarget,
  work: (opened: Opened) => Promise<void>,
): Promise<void> {
  const opened: OpenDisk[] = [];
  const open = async (disk: Disk, write: boolean): Promise<OpenDisk['device']> => {
    try {
      const one = await xen.disks.open(diskNameOf(xen, disk), { write });
      opened.push(one);
      return one.device;
    } catch (error) {
      const { ref, record } = disk;
      throw vdiFault(error, { ref, sr: record.SR, operation: 'copy' });
    }
  };
  try {
    const to = await open(target, true);
    if (isDifference === true && !to.capabilities.extents) {
      throw xenError('VDI_NOT_SPARSE', target.ref);
    }
    const from = await open(source, false);
    await work({ from, to, base: base === undefined ? undefined : await open(base, false) });
  } finally {
    await Promise.all(opened.map((one) => one.close()));
  }
}
