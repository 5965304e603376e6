/** Changed block tracking (reference 3.3): the control plane knows what has changed (src/xenapi/cbt). */
import { setTimeout } from 'node:timers/promises';
import { discardData, trackChanges, untrackChanges } from '../../../control/index.ts';
import type { Call, Handlers } from '../../call.ts';
import { isMetadata, listChangedBlocks } from '../../cbt/index.ts';
import { VDI } from '../../datamodel/vdi.ts';
import { type Disk, diskOf } from '../../disks/disk.ts';
import { isNullRef } from '../../objects/refs.ts';
import type { Xen } from '../../xen.ts';
import { xenError } from '../../xen-error.ts';
import { VBDS_GONE_POLL_MS } from './limits.ts';
import { doing, pluggedRepository } from './parts.ts';

type VdiHandlers = Handlers<typeof VDI>;

export const enableCbt =
  (xen: Xen): VdiHandlers['enable_cbt'] =>
  (call, { self }) => {
    const disk = diskOf(xen, self);
    return doing(xen, call, disk, 'enable_cbt', async () => {
      pluggedRepository(xen, disk.record.SR);
      if (!disk.record.cbt_enabled) trackChanges(xen.control, disk.origin.id);
    });
  };

export const disableCbt =
  (xen: Xen): VdiHandlers['disable_cbt'] =>
  (call, { self }) => {
    const disk = diskOf(xen, self);
    return doing(xen, call, disk, 'disable_cbt', async () => {
      pluggedRepository(xen, disk.record.SR);
      if (disk.record.cbt_enabled) untrackChanges(xen.control, disk.origin.id);
    });
  };

export const dataDestroy =
  (xen: Xen, waitMs: number): VdiHandlers['data_destroy'] =>
  (call, { self }) => {
    const disk = diskOf(xen, self);
    return doing(xen, call, disk, 'data_destroy', async () => {
      const { control, kept } = xen;
      const { id } = disk.origin;
      pluggedRepository(xen, disk.record.SR);
      if (isMetadata(control, id)) return;
      await untilNoVbds(xen, call, disk, waitMs);
      // The snapshot's name is free from then on, and it may be gone: what it was called is kept here.
      const { name_label, name_description } = disk.record;
      kept.set(VDI, id, { name_label, name_description });
      await discardData(control, id, call);
    });
  };

/** A VBD that is plugged cannot be destroyed: when they are gone nobody has it open. @throws XenError VDI_IN_USE */
async function untilNoVbds(
  { objects }: Xen,
  { signal }: Call,
  { ref }: Disk,
  waitMs: number,
): Promise<void> {
  for (let waited = 0; ; waited += VBDS_GONE_POLL_MS) {
    if (objects.require(VDI, ref).VBDs.length === 0) return;
    if (waited >= waitMs) throw xenError('VDI_IN_USE', ref, 'data_destroy');
    await setTimeout(VBDS_GONE_POLL_MS, undefined, { signal });
  }
}

export const changedBlocks =
  (xen: Xen): VdiHandlers['list_changed_blocks'] =>
  (call, { vdi_from: fromRef, vdi_to: toRef }) => {
    for (const ref of [fromRef, toRef]) {
      if (isNullRef(ref)) throw xenError('HANDLE_INVALID', 'VDI', ref);
    }
    const from = diskOf(xen, fromRef);
    const to = diskOf(xen, toRef);
    return doing(xen, call, to, 'list_changed_blocks', () => {
      pluggedRepository(xen, to.record.SR);
      const disks = { from: from.origin.id, to: to.origin.id };
      return listChangedBlocks(xen.control, disks, call);
    });
  };
