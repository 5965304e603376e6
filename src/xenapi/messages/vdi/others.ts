/** Messages of VDI that move no blocks, or are refused. */
import { showVolume } from '../../../control/index.ts';
import type { Call, Handlers } from '../../call.ts';
import { VDI } from '../../datamodel/vdi.ts';
import { OWN_MESSAGE_NAMES } from '../../datamodel/vdi-messages.ts';
import { checksumOf } from '../../disks/checksum.ts';
import { diskNameOf, diskOf, volumeOf } from '../../disks/disk.ts';
import type { Xen } from '../../xen.ts';
import { xenError } from '../../xen-error.ts';
import { doing, requireReadable } from './parts.ts';

type VdiHandlers = Handlers<typeof VDI>;

export const updateVdi =
  (xen: Xen): VdiHandlers['update'] =>
  (call, { vdi }) => {
    const disk = diskOf(xen, vdi);
    return doing(xen, call, disk, 'update', async () => {
      requireReadable(xen, disk.record.SR);
      if (disk.origin.kind !== 'volume') return;
      const { volume, repository } = volumeOf(xen, disk);
      const { allocated } = await showVolume(xen.control, repository.name, volume.name);
      if (allocated !== null && volume.thin) {
        xen.kept.set(VDI, volume.id, { physical_utilisation: allocated });
      }
    });
  };

export const checksumVdi =
  (xen: Xen): VdiHandlers['checksum'] =>
  async (call: Call, { self }) => {
    const disk = diskOf(xen, self);
    return doing(xen, call, disk, 'copy', async () => {
      requireReadable(xen, disk.record.SR);
      const opened = await xen.disks.open(diskNameOf(xen, disk), { write: false });
      try {
        return await checksumOf(opened.device, call);
      } finally {
        await opened.close();
      }
    });
  };

/** What would attach it again: nothing but its SR and its id is needed. */
export const generateConfig =
  (xen: Xen): VdiHandlers['generate_config'] =>
  (call, { vdi }) => {
    const disk = diskOf(xen, vdi);
    const { record } = disk;
    return doing(xen, call, disk, 'generate_config', async () => {
      requireReadable(xen, record.SR);
      const sr = xen.objects.requireAny('SR', record.SR);
      return JSON.stringify({
        sr_uuid: sr['uuid'],
        vdi_uuid: record.uuid,
        location: record.location,
      });
    });
  };

export const refused = (xen: Xen) =>
  ({
    /** xapi moves disks of running VMs; there are none. */
    pool_migrate: (_call, { vdi }) => {
      const { record } = diskOf(xen, vdi);
      if (record.type === 'cbt_metadata') throw xenError('VDI_INCOMPATIBLE_TYPE', vdi, record.type);
      if (record.cbt_enabled) throw xenError('VDI_CBT_ENABLED', vdi);
      throw xenError('VDI_NEEDS_VM_FOR_MIGRATE', vdi);
    },
    open_database: (_call, { self }) => {
      const { type } = diskOf(xen, self).record;
      if (type !== 'metadata') throw xenError('VDI_INCOMPATIBLE_TYPE', self, type);
      throw xenError('NOT_IMPLEMENTED', 'VDI.open_database');
    },
    read_database_pool_uuid: () => '',
    force_unlock: () => {
      throw xenError('MESSAGE_DEPRECATED');
    },
  }) satisfies Partial<VdiHandlers>;

/** Those of xapi's own processes. */
export function ownMessages() {
  const refuse = (name: string) => (): never => {
    throw xenError('PERMISSION_DENIED', `VDI.${name} is of the service itself`);
  };
  type Names = (typeof OWN_MESSAGE_NAMES)[number];
  const handlers = OWN_MESSAGE_NAMES.map((name) => [name, refuse(name)] as const);
  return Object.fromEntries(handlers) as Readonly<Record<Names, () => never>>;
}
