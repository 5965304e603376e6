/** A VDI, with what it stands for in the control plane. */
import { productionVersion, snapshotNameOf, volumeNameOf } from '../../control/index.ts';
import { Fault } from '../../errors/index.ts';
import type { RecordOf, Ref } from '../datamodel/description.ts';
import { VDI } from '../datamodel/vdi.ts';
import type { Origin } from '../objects/objects.ts';
import type { DiskName } from '../ports.ts';
import type { Xen } from '../xen.ts';
import { xenError } from '../xen-error.ts';

export type VdiRecord = RecordOf<typeof VDI>;

export interface Disk {
  readonly ref: Ref;
  readonly record: VdiRecord;
  readonly origin: Origin;
}

type Parts = Pick<Xen, 'objects' | 'control'>;

/** @throws XenError HANDLE_INVALID */
export function diskOf({ objects }: Pick<Xen, 'objects'>, ref: Ref): Disk {
  return { ref, record: objects.require(VDI, ref), origin: objects.origin(VDI.name, ref) };
}

/** What names it towards the control plane's operations: REPOSITORY and VOLUME. @throws XenError HANDLE_INVALID */
export function volumeOf({ control: { catalog } }: Parts, { ref, origin }: Disk) {
  const volume = catalog.volumes.byId(origin.id);
  const repository = volume && catalog.repositories.byId(volume.repositoryId);
  if (volume === undefined || repository === undefined)
    throw xenError('HANDLE_INVALID', 'VDI', ref);
  return { volume, repository };
}

/** @throws XenError HANDLE_INVALID */
export function snapshotOf({ control: { catalog } }: Parts, { ref, origin }: Disk) {
  const snapshot = catalog.snapshots.byId(origin.id);
  const repository = snapshot && catalog.repositories.byId(snapshot.repositoryId);
  if (snapshot === undefined || repository === undefined) {
    throw xenError('HANDLE_INVALID', 'VDI', ref);
  }
  return { snapshot, repository };
}

/**
 * As the port to blocks knows it. Of a vDisk: its version in production.
 * @throws XenError HANDLE_INVALID, VDI_INCOMPATIBLE_TYPE (it has no data any more), VDI_NOT_AVAILABLE
 */
export function diskNameOf(xen: Parts, disk: Disk): DiskName {
  const { control } = xen;
  if (disk.record.type === 'cbt_metadata') {
    throw xenError('VDI_INCOMPATIBLE_TYPE', disk.ref, 'cbt_metadata');
  }
  switch (disk.origin.kind) {
    case 'volume':
      return volumeNameOf(volumeOf(xen, disk).volume);
    case 'snapshot':
      return snapshotNameOf(snapshotOf(xen, disk).snapshot);
    case 'version':
      return { versionId: disk.origin.id };
    case 'vdisk': {
      const vdisk = control.catalog.vdisks.byId(disk.origin.id);
      if (vdisk === undefined) throw xenError('HANDLE_INVALID', 'VDI', disk.ref);
      const versions = control.catalog.versions.ofVdisk(vdisk.id);
      const chosen = productionVersion(vdisk, versions, control.clock.now());
      if (chosen.kind === 'none') throw xenError('VDI_NOT_AVAILABLE', disk.ref);
      return { versionId: chosen.version.id };
    }
    case 'repository':
    case 'machine':
    case 'host':
    case 'own':
      throw new Fault('INTERNAL', `a VDI stands for a ${disk.origin.kind}`);
  }
}
