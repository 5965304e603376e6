import { resizeVolume } from '../../../control/index.ts';
import type { Handlers } from '../../call.ts';
import type { VDI } from '../../datamodel/vdi.ts';
import { diskOf, volumeOf } from '../../disks/disk.ts';
import { runOperation } from '../../disks/run-operation.ts';
import type { Xen } from '../../xen.ts';
import { doing, pluggedRepository } from './parts.ts';

/** @param online also while a VBD of it is plugged; who reads it by NBD has the size that it had */
export const resizeVdi =
  (xen: Xen, online: boolean): Handlers<typeof VDI>['resize'] =>
  async (call, { vdi, size }) => {
    const disk = diskOf(xen, vdi);
    await doing(xen, call, disk, online ? 'resize_online' : 'resize', async () => {
      pluggedRepository(xen, disk.record.SR);
      await runOperation(xen, call, () => {
        const { volume, repository } = volumeOf(xen, disk);
        return resizeVolume(xen.control, repository.name, volume.name, { size });
      });
    });
  };
