/** Volume groups: volumes whose snapshots are of one moment. */
import { Fault } from '../../../errors/index.ts';
import type { GroupRecord } from '../../catalog/storage/records.ts';
import type { Control } from '../../control.ts';
import { MAX_VOLUME_GROUPS } from '../../limits.ts';
import type {
  AddVolumeGroupInput,
  UpdateVolumeGroupInput,
  VolumeGroupView,
} from '../../schemas/host.ts';
import { refuseDying } from '../../storage/dying.ts';
import { addressOf } from '../../storage/names.ts';
import { parseName } from '../../values/name.ts';
import { iso } from '../time-view.ts';
import { findAddressed, findGroup, refuseBeyond, refuseTaken } from './find-storage.ts';

/** By name. */
export function listVolumeGroups(control: Control): readonly VolumeGroupView[] {
  return control.catalog.volumeGroups.all().map((group) => groupView(control, group));
}

/** @throws Fault NOT_FOUND */
export function showVolumeGroup(control: Control, name: string): VolumeGroupView {
  return groupView(control, findGroup(control.catalog, name));
}

/** @throws Fault INVALID_INPUT, NOT_FOUND (a volume), ALREADY_EXISTS, LIMIT_EXCEEDED */
export function addVolumeGroup(control: Control, input: AddVolumeGroupInput): VolumeGroupView {
  const { volumeGroups } = control.catalog;
  const { name, description = '', volumes } = input;
  return control.change((record) => {
    const taken = volumeGroups.byName(parseName(name, 'volumeGroup.name'));
    refuseTaken(taken, 'volume group', name, 'volumeGroup.name');
    refuseBeyond(volumeGroups.all().length, MAX_VOLUME_GROUPS, 'volume groups');
    const group = { id: control.newId(), name, description, createdAt: control.clock.now() };
    volumeGroups.insert(group);
    volumeGroups.setMembers(group.id, membersOf(control, volumes, 'volumeGroup.volumes'));
    record({
      kind: 'volume-group.added',
      subject: `volume-group/${name}`,
      message: `volume group ${name} added: ${volumes.join(', ')}`,
      data: { ...input },
    });
    return groupView(control, group);
  });
}

/** @throws Fault NOT_FOUND, INVALID_INPUT, ALREADY_EXISTS */
export function updateVolumeGroup(
  control: Control,
  name: string,
  input: UpdateVolumeGroupInput,
): VolumeGroupView {
  const { volumeGroups } = control.catalog;
  return control.change((record) => {
    const before = findGroup(control.catalog, name);
    const after = {
      ...before,
      name: input.name ?? name,
      description: input.description ?? before.description,
    };
    if (after.name !== name) {
      const taken = volumeGroups.byName(parseName(after.name, 'volumeGroup.name'));
      refuseTaken(taken, 'volume group', after.name, 'volumeGroup.name');
    }
    volumeGroups.update(after);
    if (input.volumes !== undefined) {
      volumeGroups.setMembers(after.id, membersOf(control, input.volumes, 'volumeGroup.volumes'));
    }
    record({
      kind: 'volume-group.changed',
      subject: `volume-group/${after.name}`,
      message: `volume group ${name}: ${Object.keys(input).join(', ')} changed`,
      data: { ...input, before: name },
    });
    return groupView(control, after);
  });
}

/** Its volumes and their snapshots stay. @throws Fault NOT_FOUND, IN_USE (a schedule has it) */
export function deleteVolumeGroup(control: Control, name: string): void {
  control.change((record) => {
    const { id } = findGroup(control.catalog, name);
    const schedules = control.catalog.schedules.ofGroup(id).map((schedule) => schedule.name);
    if (schedules.length > 0) {
      throw new Fault(
        'IN_USE',
        `snapshots of group ${name} are scheduled: ${schedules.join(', ')}`,
        {
          field: 'volumeGroup.name',
          value: schedules,
          expected: 'no schedule of it (rootcast snapshot-schedule delete)',
        },
      );
    }
    control.catalog.volumeGroups.delete(id);
    record({
      kind: 'volume-group.deleted',
      subject: `volume-group/${name}`,
      message: `volume group ${name} deleted; its volumes stay`,
    });
  });
}

/** Ids. @throws Fault INVALID_INPUT, NOT_FOUND */
export function membersOf(
  control: Control,
  addresses: readonly string[],
  field: string,
): readonly string[] {
  return addresses.map((address) => {
    const { id } = findAddressed(control.catalog, address, field).volume;
    refuseDying(control, id, `volume ${address}`, field);
    return id;
  });
}

function groupView({ catalog }: Control, group: GroupRecord): VolumeGroupView {
  const { id, name, description, createdAt } = group;
  const members = catalog.volumeGroups.members(id);
  return {
    id,
    name,
    description,
    volumes: members.map((member) => addressOf(catalog, member)).sort(),
    createdAt: iso(createdAt),
  };
}
