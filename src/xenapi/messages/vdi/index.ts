/** VDI: volumes, snapshots and versions of vDisks, as XenAPI's clients manage them. */
import { type Implementation, implement } from '../../call.ts';
import { VDI } from '../../datamodel/vdi.ts';
import { completeVdis } from '../../disks/situation.ts';
import type { Xen } from '../../xen.ts';
import { copyVdi } from './copy.ts';
import { createVdi } from './create.ts';
import { destroyVdi, forgetVdi } from './destroy.ts';
import { introduceVdi } from './introduce.ts';
import { VBDS_GONE_WAIT_MS } from './limits.ts';
import { nbdInfo } from './nbd-info.ts';
import { checksumVdi, generateConfig, ownMessages, refused, updateVdi } from './others.ts';
import { resizeVdi } from './resize.ts';
import { setters, setVdiField } from './setters.ts';
import { cloneVdi, revertVdi, snapshotVdi } from './snapshot-and-clone.ts';
import { changedBlocks, dataDestroy, disableCbt, enableCbt } from './tracking.ts';

/** @param vbdsGoneMs how long data_destroy waits for VBDs to go */
export function vdiMessages(xen: Xen, vbdsGoneMs = VBDS_GONE_WAIT_MS): Implementation {
  completeVdis(xen);
  return implement(
    VDI,
    {
      create: createVdi(xen),
      destroy: destroyVdi(xen),
      snapshot: snapshotVdi(xen),
      clone: cloneVdi(xen),
      copy: copyVdi(xen),
      revert: revertVdi(xen),
      resize: resizeVdi(xen, false),
      resize_online: resizeVdi(xen, true),
      introduce: introduceVdi(xen),
      forget: forgetVdi(xen),
      update: updateVdi(xen),
      enable_cbt: enableCbt(xen),
      disable_cbt: disableCbt(xen),
      data_destroy: dataDestroy(xen, vbdsGoneMs),
      list_changed_blocks: changedBlocks(xen),
      get_nbd_info: nbdInfo(xen),
      generate_config: generateConfig(xen),
      checksum: checksumVdi(xen),
      ...setters(xen),
      ...refused(xen),
      ...ownMessages(),
    },
    { setField: setVdiField(xen) },
  );
}
