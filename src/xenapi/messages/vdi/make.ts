/** New volumes, with what is kept of their VDI from their first moment on. */
import {
  createVolume,
  deleteVolume,
  type RepositoryRecord,
  shortDescription,
  type TaskView,
} from '../../../control/index.ts';
import { Fault } from '../../../errors/index.ts';
import type { Call } from '../../call.ts';
import type { Ref } from '../../datamodel/description.ts';
import { VDI } from '../../datamodel/vdi.ts';
import type { VdiRecord } from '../../disks/disk.ts';
import { freeName, otherName } from '../../disks/names.ts';
import { runOperation, undoOperation } from '../../disks/run-operation.ts';
import { markUnfinished } from '../../disks/unfinished.ts';
import { vdiFault } from '../../disks/vdi-faults.ts';
import { NULL_REF, refOf } from '../../objects/refs.ts';
import type { Xen } from '../../xen.ts';
import { nameNow } from '../sr/stored-sr.ts';
import { doingInSr, pluggedRepository } from './parts.ts';

/** How many names are tried when somebody takes those that were free. */
const ATTEMPTS = 4;

export type NewVdi = Partial<VdiRecord> &
  Pick<VdiRecord, 'name_label' | 'name_description' | 'virtual_size'>;

/** Where names are one another's neighbours: a repository for its volumes, a volume for its snapshots. */
export interface Place {
  readonly id: string;
  readonly isTaken: (name: string) => boolean;
}

/** Names of what is being made now. The catalog does not know it yet, and its storage may know it by its name. */
const COMING = new WeakMap<Xen['control'], Set<string>>();

/**
 * What an operation of the control plane makes under the name and description that it is given.
 * @param make starts it, and calls `keep` with its id in the transaction that keeps it
 * @throws Fault, XenError
 */
export async function madeOf(
  xen: Xen,
  fields: Partial<VdiRecord> & Pick<VdiRecord, 'name_label' | 'name_description'>,
  place: Place,
  make: (
    given: { readonly name: string; readonly description: string },
    keep: (id: string) => void,
  ) => Promise<unknown>,
): Promise<Ref> {
  const { control, kept } = xen;
  const { name_label: label, name_description: description } = fields;
  const coming = COMING.get(control) ?? new Set();
  COMING.set(control, coming);
  const isTaken = (name: string): boolean =>
    coming.has(`${place.id}/${name}`) || place.isTaken(name);
  for (let attempt = 1; ; attempt++) {
    const choose = attempt === 1 ? freeName : otherName;
    const name = choose(label, isTaken, control.newId);
    let made: string | undefined;
    coming.add(`${place.id}/${name}`);
    try {
      await make({ name, description: shortDescription(description) }, (id) => {
        kept.set(VDI, id, fields);
        made = id;
      });
    } catch (error) {
      if (attempt < ATTEMPTS && isTakenNow(error)) continue;
      throw error;
    } finally {
      coming.delete(`${place.id}/${name}`);
    }
    if (made === undefined) throw new Fault('INTERNAL', 'a task has made nothing');
    return refOf(VDI.name, made);
  }
}

/** By the catalog, or on the storage. */
function isTakenNow(error: unknown): boolean {
  return error instanceof Fault && error.code === 'ALREADY_EXISTS';
}

/**
 * An empty one.
 * @param sr plugged
 * @param options.toBeFilled it is unfinished (disks/unfinished.ts) until `markFinished`
 * @throws XenError SR_HAS_NO_PBDS, SR_BACKEND_FAILURE_79 …
 */
export function makeEmpty(
  xen: Xen,
  call: Call,
  sr: Ref,
  given: NewVdi,
  { toBeFilled = false }: { readonly toBeFilled?: boolean } = {},
): Promise<Ref> {
  const { control } = xen;
  const repository = pluggedRepository(xen, sr);
  const { virtual_size: size, ...fields } = given;
  return doingInSr(xen, call, sr, 'vdi_create', async () => {
    try {
      return await madeOf(xen, fields, placeIn(xen, repository), (names, keep) =>
        runOperation(xen, call, () =>
          createVolume(control, nameNow(xen, repository), { ...names, size }, ({ id }) => {
            keep(id);
            if (toBeFilled) markUnfinished(xen, id);
          }),
        ),
      );
    } catch (error) {
      throw vdiFault(error, { ref: NULL_REF, sr, operation: 'create' });
    }
  });
}

export function placeIn({ control }: Xen, { id }: RepositoryRecord): Place {
  return { id, isTaken: (name) => control.catalog.volumes.byName(id, name) !== undefined };
}

/** One that a message has made, and could not fill. Never throws. */
export async function unmake(xen: Xen, volumeId: string): Promise<void> {
  await undoOperation(xen, () => startUnmaking(xen, volumeId));
}

/** @throws Fault NOT_FOUND: it is gone; what deleteVolume throws */
export function startUnmaking({ control }: Xen, volumeId: string): TaskView {
  const volume = control.catalog.volumes.byId(volumeId);
  const repository = volume && control.catalog.repositories.byId(volume.repositoryId);
  if (volume === undefined || repository === undefined) {
    throw new Fault('NOT_FOUND', 'it is gone already');
  }
  return deleteVolume(control, repository.name, volume.name);
}
