import { deleteSnapshot, deleteVolume, forgetChanges } from '../../../control/index.ts';
import type { Call, Handlers } from '../../call.ts';
import { VBD } from '../../datamodel/vbd.ts';
import type { VDI } from '../../datamodel/vdi.ts';
import { type Disk, diskOf, snapshotOf, volumeOf } from '../../disks/disk.ts';
import { FORGOTTEN } from '../../disks/forgotten.ts';
import { runOperation } from '../../disks/run-operation.ts';
import type { Xen } from '../../xen.ts';
import { doing, pluggedRepository } from './parts.ts';

/** Its snapshots live on. Its VBDs go with it. */
export const destroyVdi =
  (xen: Xen): Handlers<typeof VDI>['destroy'] =>
  (call, { self }) => {
    const disk = diskOf(xen, self);
    return doing(xen, call, disk, 'destroy', async () => {
      pluggedRepository(xen, disk.record.SR);
      await deleted(xen, call, disk);
    });
  };

async function deleted(xen: Xen, call: Call, disk: Disk): Promise<void> {
  const { control } = xen;
  if (disk.record.type === 'cbt_metadata') {
    await forgetChanges(control, disk.origin.id, call);
    return;
  }
  await runOperation(xen, call, () => {
    if (disk.origin.kind === 'snapshot') {
      const { snapshot, repository } = snapshotOf(xen, disk);
      return deleteSnapshot(control, repository.name, snapshot.id);
    }
    const { volume, repository } = volumeOf(xen, disk);
    return deleteVolume(control, repository.name, volume.name);
  });
}

/** The storage keeps it. */
export const forgetVdi =
  (xen: Xen): Handlers<typeof VDI>['forget'] =>
  (call, { vdi }) => {
    const disk = diskOf(xen, vdi);
    return doing(xen, call, disk, 'forget', async () => {
      const { kept, control, objects } = xen;
      control.catalog.transaction(() => {
        kept.set(FORGOTTEN, disk.origin.id, {});
        for (const vbd of disk.record.VBDs) kept.delete(VBD, objects.origin(VBD.name, vbd).id);
      });
    });
  };
