/** What a client says of a VDI. */
import { shortDescription, updateSnapshot, updateVolume } from '../../../control/index.ts';
import type { Handlers, SetField } from '../../call.ts';
import type { Ref } from '../../datamodel/description.ts';
import { VDI } from '../../datamodel/vdi.ts';
import { type Disk, diskOf, snapshotOf, volumeOf } from '../../disks/disk.ts';
import { freeName, labelOf, nameOfLabel } from '../../disks/names.ts';
import { REPLICA, ROLE_KEY } from '../../disks/rules.ts';
import { vdiFault } from '../../disks/vdi-faults.ts';
import type { Xen } from '../../xen.ts';
import { xenError } from '../../xen-error.ts';
import { pluggedRepository } from './parts.ts';

/** Of what XenAPI may say something. @throws XenError SR_OPERATION_NOT_SUPPORTED: a vDisk */
function changeable(xen: Xen, ref: Ref): Disk {
  const disk = diskOf(xen, ref);
  const { kind } = disk.origin;
  if (kind === 'volume' || kind === 'snapshot') return disk;
  throw xenError('SR_OPERATION_NOT_SUPPORTED', disk.record.SR);
}

/** The fields that have setters of their own by the datamodel. */
export const setVdiField =
  (xen: Xen): SetField =>
  (ref, field, value) => {
    const { origin } = changeable(xen, ref);
    xen.kept.set(VDI, origin.id, { [field]: value });
  };

function keep(xen: Xen, ref: Ref, fields: Readonly<Record<string, unknown>>): void {
  xen.kept.set(VDI, changeable(xen, ref).origin.id, fields);
}

/**
 * The volume, or the snapshot, is called as the label says, and the label is kept as it was typed.
 * @throws XenError; Fault ALREADY_EXISTS: of all names that were tried
 */
export function rename(
  xen: Xen,
  ref: Ref,
  { label, description }: { readonly label?: string; readonly description?: string },
): void {
  const disk = changeable(xen, ref);
  const { control, kept } = xen;
  const typed = {
    ...(label === undefined ? {} : { name_label: label }),
    ...(description === undefined ? {} : { name_description: description }),
  };
  try {
    control.catalog.transaction(() => {
      if (disk.record.type !== 'cbt_metadata') renameStored(xen, disk, { label, description });
      kept.set(VDI, disk.origin.id, typed);
    });
  } catch (error) {
    throw vdiFault(error, { ref, sr: disk.record.SR, operation: 'update' });
  }
}

function renameStored(
  xen: Xen,
  disk: Disk,
  {
    label,
    description,
  }: { readonly label: string | undefined; readonly description: string | undefined },
): void {
  const { control } = xen;
  const { volumes, snapshots } = control.catalog;
  const named = (now: string, isTaken: (name: string) => boolean) => ({
    ...(label === undefined ? {} : { name: nameFor(label, now, isTaken, control.newId) }),
    ...(description === undefined ? {} : { description: shortDescription(description) }),
  });
  if (disk.origin.kind === 'snapshot') {
    const { snapshot, repository } = snapshotOf(xen, disk);
    const { volumeId } = snapshot;
    const isTaken = (name: string): boolean =>
      volumeId !== undefined && snapshots.byName(volumeId, name) !== undefined;
    updateSnapshot(control, repository.name, snapshot.id, named(snapshot.name, isTaken));
    return;
  }
  const { volume, repository } = volumeOf(xen, disk);
  const isTaken = (name: string): boolean => volumes.byName(repository.id, name) !== undefined;
  updateVolume(control, repository.name, volume.name, named(volume.name, isTaken));
}

/** The one that it has, if it would do. */
function nameFor(
  label: string,
  now: string,
  isTaken: (name: string) => boolean,
  newId: () => string,
): string {
  const wouldDo = labelOf(label, now) === label;
  if (wouldDo && (now === nameOfLabel(label) || isTaken(nameOfLabel(label)))) return now;
  return freeName(label, isTaken, newId);
}

export const setters = (xen: Xen) =>
  ({
    set_name_label: (_call, { self, value }) => {
      requirePlugged(xen, self);
      rename(xen, self, { label: value });
    },
    set_name_description: (_call, { self, value }) => {
      requirePlugged(xen, self);
      rename(xen, self, { description: value });
    },
    set_sharable: (_call, { self, value }) => keep(xen, self, { sharable: value }),
    set_read_only: (_call, { self, value }) => {
      const { record } = changeable(xen, self);
      const isAlways = record.is_a_snapshot || record.sm_config.get(ROLE_KEY) === REPLICA;
      if (!isAlways) keep(xen, self, { read_only: value });
      else if (!value) throw xenError('VDI_READONLY', self);
    },
    set_on_boot: (_call, { self, value }) => {
      const { record } = changeable(xen, self);
      if (record.cbt_enabled) throw xenError('VDI_CBT_ENABLED', self);
      if (value === 'reset') throw xenError('SR_OPERATION_NOT_SUPPORTED', record.SR);
    },
    set_allow_caching: (_call, { self, value }) => keep(xen, self, { allow_caching: value }),
  }) satisfies Partial<Handlers<typeof VDI>>;

function requirePlugged(xen: Xen, ref: Ref): void {
  pluggedRepository(xen, changeable(xen, ref).record.SR);
}
