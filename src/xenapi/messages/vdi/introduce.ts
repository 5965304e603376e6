/**
 * Records of volumes that are there: those that were forgotten, and those of the storage that are not ours yet. A
 * volume of the storage becomes ours (it is adopted), with all that is on it.
 */
import { adoptVolume, listForeignVolumes } from '../../../control/index.ts';
import type { Handlers } from '../../call.ts';
import type { Ref } from '../../datamodel/description.ts';
import { VDI } from '../../datamodel/vdi.ts';
import type { VdiRecord } from '../../disks/disk.ts';
import { FORGOTTEN, isForgotten } from '../../disks/forgotten.ts';
import { vdiFault } from '../../disks/vdi-faults.ts';
import { isNullRef, isUuid, NULL_REF, refOf } from '../../objects/refs.ts';
import type { Xen } from '../../xen.ts';
import { xenError } from '../../xen-error.ts';
import { nameNow } from '../sr/stored-sr.ts';
import { madeOf, placeIn } from './make.ts';
import { doingInSr, pluggedRepository } from './parts.ts';
import { rename } from './setters.ts';

export const introduceVdi =
  (xen: Xen): Handlers<typeof VDI>['introduce'] =>
  async (call, given) => {
    const { SR: sr, location, uuid } = given;
    if (isNullRef(sr)) throw xenError('HANDLE_INVALID', 'SR', sr);
    const { id: repositoryId } = pluggedRepository(xen, sr);
    refuseUuid(xen, uuid, location);
    const { name_label, name_description, type, sharable, other_config } = given;
    const { xenstore_data, sm_config } = given;
    const fields = {
      ...{ type, sharable, other_config, xenstore_data, sm_config },
      ...{ name_label, name_description },
    };
    return doingInSr(xen, call, sr, 'vdi_introduce', async () => {
      const known = isHere(xen, repositoryId, location);
      if (known && !isForgotten(xen, location)) throw xenError('LOCATION_NOT_UNIQUE', sr, location);
      if (known) return shownAgain(xen, location, uuid, fields);
      return adopted(xen, { sr, location, uuid, fields });
    });
  };

/** @throws XenError UUID_INVALID: no uuid, or that of another VDI, forgotten ones among them */
function refuseUuid({ objects, control }: Xen, uuid: string, location: string): void {
  if (uuid === '') return;
  const { catalog } = control;
  const { volumes, snapshots } = catalog;
  const isTaken =
    objects.byUuid(VDI.name, uuid) !== undefined ||
    (catalog.xenObjects.byUuid(VDI.name, uuid)?.id ?? location) !== location ||
    (uuid !== location && (volumes.byId(uuid) ?? snapshots.byId(uuid)) !== undefined);
  if (isTaken || !isUuid(uuid)) throw xenError('UUID_INVALID', VDI.name, uuid);
}

function isHere({ control: { catalog } }: Xen, repositoryId: string, id: string): boolean {
  const there = catalog.volumes.byId(id) ?? catalog.snapshots.byId(id);
  return there?.repositoryId === repositoryId;
}

type Introduced = Partial<VdiRecord> & Pick<VdiRecord, 'name_label' | 'name_description'>;

function shownAgain(xen: Xen, id: string, uuid: string, fields: Introduced): Ref {
  const { kept, control } = xen;
  const { name_label: label, name_description: description, ...rest } = fields;
  const ref = refOf(VDI.name, id);
  control.catalog.transaction(() => {
    kept.set(VDI, id, rest, uuid === '' ? undefined : uuid);
    kept.delete(FORGOTTEN, id);
  });
  if (label !== '') rename(xen, ref, { label });
  if (description !== '') rename(xen, ref, { description });
  return ref;
}

async function adopted(
  xen: Xen,
  given: {
    readonly sr: Ref;
    readonly location: string;
    readonly uuid: string;
    readonly fields: Introduced;
  },
): Promise<Ref> {
  const { sr, location, uuid, fields } = given;
  const { control, kept } = xen;
  const repository = pluggedRepository(xen, sr);
  try {
    const foreign = await listForeignVolumes(control, nameNow(xen, repository));
    const found = foreign.find(({ nativeId, name }) => nativeId === location || name === location);
    if (found === undefined) throw xenError('VDI_LOCATION_MISSING', sr, location);
    const named = {
      ...fields,
      name_label: fields.name_label === '' ? found.name : fields.name_label,
    };
    return await madeOf(xen, named, placeIn(xen, repository), (names, keep) =>
      adoptVolume(
        control,
        nameNow(xen, repository),
        { nativeId: found.nativeId, ...names },
        ({ id }) => {
          keep(id);
          if (uuid !== '') kept.set(VDI, id, {}, uuid);
        },
      ),
    );
  } catch (error) {
    throw vdiFault(error, { ref: NULL_REF, sr, operation: 'introduce' });
  }
}
