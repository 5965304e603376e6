/** VDI.copy: a whole clone by the control plane, or block by block where that cannot do it. */
import { Fault } from '../../../errors/index.ts';
import type { Call, Handlers } from '../../call.ts';
import type { Ref } from '../../datamodel/description.ts';
import { VDI } from '../../datamodel/vdi.ts';
import { copyBlocks } from '../../disks/copy-blocks.ts';
import { keepDifference, zeroedBlocksOf } from '../../disks/differences.ts';
import { type Disk, diskNameOf, diskOf } from '../../disks/disk.ts';
import { markFinished } from '../../disks/unfinished.ts';
import { vdiFault } from '../../disks/vdi-faults.ts';
import { isNullRef } from '../../objects/refs.ts';
import type { OpenDisk } from '../../ports.ts';
import type { Xen } from '../../xen.ts';
import { xenError } from '../../xen-error.ts';
import { makeEmpty, unmake } from './make.ts';
import { copiedFields, doing, pluggedRepository, refuse, requireReadable } from './parts.ts';
import { cloned } from './snapshot-and-clone.ts';

export const copyVdi =
  (xen: Xen): Handlers<typeof VDI>['copy'] =>
  (call, { vdi, sr, base_vdi: baseRef, into_vdi: into }) => {
    const source = diskOf(xen, vdi);
    const base = isNullRef(baseRef) ? undefined : diskOf(xen, baseRef);
    return doing(xen, call, source, 'copy', async () => {
      requireReadable(xen, source.record.SR);
      if (!isNullRef(into)) {
        await copyInto(xen, call, { source, base, target: diskOf(xen, into) });
        return into;
      }
      const target = isNullRef(sr) ? source.record.SR : sr;
      const isOurs = source.origin.kind === 'volume' || source.origin.kind === 'snapshot';
      if (isOurs && base === undefined) return cloned(xen, call, source, target, 'full');
      return copyIntoNew(xen, call, { source, base, sr: target });
    });
  };

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
  const made = await makeEmpty(xen, call, sr, fields, { toBeFilled: true });
  const target = diskOf(xen, made);
  try {
    const zeroed = await copyInto(xen, call, { source, base, target });
    if (base !== undefined) noteDifference(xen, target, zeroed);
    markFinished(xen, target.origin.id);
    return made;
  } catch (error) {
    await unmake(xen, target.origin.id);
    throw error;
  }
}

interface IntoTarget {
  readonly source: Disk;
  readonly base: Disk | undefined;
  readonly target: Disk;
}

/** @throws XenError VDI_NOT_SPARSE: it cannot be kept which of its zeroes it holds */
function noteDifference(xen: Xen, { ref, origin }: Disk, zeroed: readonly number[]): void {
  try {
    keepDifference(xen, origin.id, zeroed);
  } catch (error) {
    if (error instanceof Fault && error.code === 'LIMIT_EXCEEDED') {
      throw xenError('VDI_NOT_SPARSE', ref);
    }
    throw error;
  }
}

/** @returns blocks of zeroes that differ from the base. @throws XenError VDI_READONLY, VDI_TOO_SMALL, VDI_IN_USE */
async function copyInto(xen: Xen, call: Call, copy: IntoTarget): Promise<readonly number[]> {
  const { source, target } = copy;
  refuseTarget(xen, source, target);
  const { ref } = target;
  // Nothing of it is of use until it is whole.
  const operation = { className: VDI.name, ref, operation: 'blocked', task: call.task };
  return xen.operations.during(
    operation,
    () => false,
    () => withDisks(xen, copy, (opened) => copyBlocks(opened, call)),
  );
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
  { source, base, target }: IntoTarget,
  work: (opened: Opened) => Promise<readonly number[]>,
): Promise<readonly number[]> {
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
    const from = await open(source, false);
    const baseDevice =
      base === undefined ? undefined : base.ref === target.ref ? to : await open(base, false);
    const zeroed = zeroedBlocksOf(xen, source.origin.id);
    return await work({ from, to, base: baseDevice, zeroed });
  } finally {
    await Promise.all(opened.map((one) => one.close()));
  }
}
