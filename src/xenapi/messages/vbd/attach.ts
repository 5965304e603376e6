/** Plugging and unplugging. */
import type { Call } from '../../call.ts';
import type { RecordOf, Ref } from '../../datamodel/description.ts';
import { VBD, type VbdOperation } from '../../datamodel/vbd.ts';
import { VDI } from '../../datamodel/vdi.ts';
import { type Disk, diskNameOf, diskOf } from '../../disks/disk.ts';
import { mayShareVdi } from '../../disks/rules.ts';
import { vdiFault } from '../../disks/vdi-faults.ts';
import type { Xen } from '../../xen.ts';
import { xenError } from '../../xen-error.ts';
import { requireReadable } from '../vdi/parts.ts';
import type { Plugs } from './plugs.ts';

type VbdRecord = RecordOf<typeof VBD>;

/** Does it as an operation of the VBD: its VDI can do little meanwhile. */
export async function doingVbd<T>(
  { operations, objects }: Xen,
  call: Call,
  ref: Ref,
  operation: VbdOperation,
  work: (record: VbdRecord) => Promise<T>,
): Promise<T> {
  const record = objects.require(VBD, ref);
  const target = { className: VBD.name, ref, operation, task: call.task };
  const touch = (): void => void objects.touch(VDI.name, record.VDI);
  try {
    return await operations.during(
      target,
      () => false,
      () => {
        touch();
        return work(record);
      },
    );
  } finally {
    touch();
  }
}

/** @throws XenError why it cannot be plugged now */
export function refusePlug(xen: Xen, plugs: Plugs, ref: Ref, record: VbdRecord): Disk {
  if (plugs.has(ref)) throw xenError('DEVICE_ALREADY_ATTACHED', ref);
  if (record.empty) throw xenError('VBD_IS_EMPTY', ref);
  const disk = diskOf(xen, record.VDI);
  requireReadable(xen, disk.record.SR);
  if (record.mode === 'RW' && disk.record.read_only) throw xenError('VDI_READONLY', disk.ref);
  const mayGoOn = (running: string): boolean => mayShareVdi(running) && record.mode === 'RO';
  xen.operations.refuseOther(VDI.name, disk.ref, mayGoOn);
  refuseSharing(xen, plugs, record, disk);
  return disk;
}

/** One writes, or many read; unless it is sharable. */
function refuseSharing(
  { objects }: Xen,
  plugs: Plugs,
  { mode }: VbdRecord,
  { ref, record }: Disk,
): void {
  if (record.sharable) return;
  for (const other of record.VBDs) {
    if (!plugs.has(other)) continue;
    if (mode === 'RW' || objects.require(VBD, other).mode === 'RW') {
      throw xenError('VDI_IN_USE', ref, 'plug');
    }
  }
}

export async function plug(xen: Xen, plugs: Plugs, call: Call, ref: Ref): Promise<void> {
  await doingVbd(xen, call, ref, 'plug', async (record) => {
    const disk = refusePlug(xen, plugs, ref, record);
    try {
      const write = record.mode === 'RW';
      plugs.add(ref, disk, await xen.disks.open(diskNameOf(xen, disk), { write }));
    } catch (error) {
      throw vdiFault(error, { ref: disk.ref, sr: disk.record.SR, operation: 'plug' });
    }
  });
}

export async function unplug(
  xen: Xen,
  plugs: Plugs,
  call: Call,
  { ref, operation }: { readonly ref: Ref; readonly operation: VbdOperation },
): Promise<void> {
  await doingVbd(xen, call, ref, operation, async () => {
    if (!plugs.has(ref)) throw xenError('DEVICE_ALREADY_DETACHED', ref);
    await plugs.remove(ref);
  });
}
