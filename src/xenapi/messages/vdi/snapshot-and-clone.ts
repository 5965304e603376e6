/** Snapshots and clones of the same SR, and back to what a snapshot is of. */
import {
  cloneSnapshot,
  cloneVolume,
  createSnapshot,
  revertVolume,
  type TaskView,
} from '../../../control/index.ts';
import type { Call, Handlers } from '../../call.ts';
import type { Ref } from '../../datamodel/description.ts';
import type { VDI } from '../../datamodel/vdi.ts';
import { keepSameDifference } from '../../disks/differences.ts';
import { type Disk, diskOf, snapshotOf, volumeOf } from '../../disks/disk.ts';
import { runOperation } from '../../disks/run-operation.ts';
import { isNullRef } from '../../objects/refs.ts';
import type { Xen } from '../../xen.ts';
import { xenError } from '../../xen-error.ts';
import { nameNow } from '../sr/stored-sr.ts';
import { madeOf, placeIn } from './make.ts';
import { copiedFields, doing, pluggedRepository } from './parts.ts';

export const snapshotVdi =
  (xen: Xen): Handlers<typeof VDI>['snapshot'] =>
  (call, { vdi }) => {
    const disk = diskOf(xen, vdi);
    return doing(xen, call, disk, 'snapshot', async () => {
      const { control } = xen;
      const repository = pluggedRepository(xen, disk.record.SR);
      const { id } = volumeOf(xen, disk).volume;
      const { snapshots } = control.catalog;
      const place = { id, isTaken: (name: string) => snapshots.byName(id, name) !== undefined };
      return madeOf(xen, copiedFields(disk.record), place, (names, keep) =>
        runOperation(xen, call, () => {
          const volumes = [volumeOf(xen, disk).volume.name];
          const input = { ...names, volumes };
          return createSnapshot(control, nameNow(xen, repository), input, (made) => {
            keep(made.id);
            keepSameDifference(xen, id, made.id);
          });
        }),
      );
    });
  };

export const cloneVdi =
  (xen: Xen): Handlers<typeof VDI>['clone'] =>
  (call, { vdi }) => {
    const disk = diskOf(xen, vdi);
    return doing(xen, call, disk, 'clone', async () => {
      const repository = pluggedRepository(xen, disk.record.SR);
      const kind = repository.capabilities?.cloneLinked === 'no' ? 'full' : 'linked';
      return cloned(xen, call, disk, disk.record.SR, kind);
    });
  };

/** A clone of a volume or a snapshot. @param sr of the clone */
export async function cloned(
  xen: Xen,
  call: Call,
  disk: Disk,
  sr: Ref,
  kind: 'linked' | 'full',
): Promise<Ref> {
  const target = pluggedRepository(xen, sr);
  return madeOf(xen, copiedFields(disk.record), placeIn(xen, target), (names, keep) =>
    runOperation(xen, call, () => startClone(xen, disk, { ...names, kind, sr }, keep)),
  );
}

function startClone(
  xen: Xen,
  disk: Disk,
  given: {
    readonly name: string;
    readonly description: string;
    readonly kind: 'linked' | 'full';
    readonly sr: Ref;
  },
  keep: (id: string) => void,
): TaskView {
  const { control } = xen;
  const { sr, ...names } = given;
  const whenKept = ({ id }: { readonly id: string }): void => {
    keep(id);
    keepSameDifference(xen, disk.origin.id, id);
  };
  const elsewhere =
    sr === disk.record.SR ? {} : { repository: nameNow(xen, pluggedRepository(xen, sr)) };
  const input = { ...names, ...elsewhere };
  if (disk.origin.kind === 'snapshot') {
    const { snapshot, repository } = snapshotOf(xen, disk);
    return cloneSnapshot(control, repository.name, snapshot.id, input, whenKept);
  }
  const { volume, repository } = volumeOf(xen, disk);
  return cloneVolume(control, repository.name, volume.name, input, whenKept);
}

export const revertVdi =
  (xen: Xen): Handlers<typeof VDI>['revert'] =>
  async (call, { snapshot: ref }) => {
    if (isNullRef(ref)) throw xenError('HANDLE_INVALID', 'VDI', ref);
    const disk = diskOf(xen, ref);
    await doing(xen, call, disk, 'revert_to', async () => {
      const original = diskOf(xen, disk.record.snapshot_of);
      pluggedRepository(xen, disk.record.SR);
      await doing(xen, call, original, 'revert_from', () =>
        runOperation(xen, call, () => {
          const { volume, repository } = volumeOf(xen, original);
          const snapshot = snapshotOf(xen, disk).snapshot.id;
          return revertVolume(xen.control, repository.name, volume.name, { snapshot });
        }),
      );
    });
  };
