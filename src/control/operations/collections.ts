/** Collections: machines that are treated alike, as far as they do not say otherwise themselves. */
import { Fault } from '../../errors/index.ts';
import type { Catalog } from '../catalog/catalog.ts';
import type { CollectionRecord } from '../catalog/records.ts';
import type { Control } from '../control.ts';
import { MAX_COLLECTIONS } from '../limits.ts';
import type {
  AddCollectionInput,
  CollectionView,
  UpdateCollectionInput,
} from '../schemas/collection.ts';
import { parseKernelArguments } from '../values/kernel-arguments.ts';
import { parseName } from '../values/name.ts';
import { toldNames } from '../values/told-names.ts';
import { findCollection } from './find.ts';
import { changeMachines, tellDataPlane } from './machine-changes.ts';
import { changedSettings, newSettings, settingsView } from './settings.ts';
import { iso } from './time-view.ts';
import { toldChanges } from './told-changes.ts';

/** By name. */
export function listCollections({ catalog }: Control): readonly CollectionView[] {
  const counts = catalog.machines.countByCollection();
  const names = new Map(catalog.vdisks.all().map(({ id, name }) => [id, name]));
  return catalog.collections
    .all()
    .map((collection) =>
      collectionView(collection, counts.get(collection.id) ?? 0, (id) => names.get(id)),
    );
}

/** @throws Fault NOT_FOUND */
export function showCollection({ catalog }: Control, name: string): CollectionView {
  return viewOf(catalog, findCollection(catalog, name));
}

/** @throws Fault INVALID_INPUT, NOT_FOUND (the vDisk), ALREADY_EXISTS, LIMIT_EXCEEDED */
export function addCollection(control: Control, input: AddCollectionInput): CollectionView {
  const { catalog } = control;
  const { name, description = '', kernelArguments = '', ...settings } = input;
  return control.change((record) => {
    refuseTakenName(catalog, parseName(name, 'collection.name'));
    if (catalog.collections.count() >= MAX_COLLECTIONS) {
      throw new Fault('LIMIT_EXCEEDED', 'there are too many collections', {
        field: 'collections',
        value: MAX_COLLECTIONS,
        expected: `at most ${MAX_COLLECTIONS}`,
      });
    }
    const collection: CollectionRecord = {
      id: control.newId(),
      name,
      description,
      settings: newSettings(catalog, settings, 'collection'),
      kernelArguments: parseKernelArguments(kernelArguments, 'collection.kernelArguments'),
      createdAt: control.clock.now(),
    };
    catalog.collections.insert(collection);
    record({
      kind: 'collection.added',
      subject: `collection/${name}`,
      message: `collection ${name} added`,
      data: { ...input },
    });
    return viewOf(catalog, collection);
  });
}

/**
 * Changes what is given and leaves the rest, for all of its machines or for none. Those that inherit
 * another vDisk begin with an empty overlay, and their pins are dropped.
 * @throws Fault INVALID_INPUT, NOT_FOUND, ALREADY_EXISTS, IN_USE (another vDisk while a machine is up or
 *   at the cost of a persistent write cache; new machines would have no vDisk)
 */
export async function updateCollection(
  control: Control,
  name: string,
  input: UpdateCollectionInput,
): Promise<CollectionView> {
  const { catalog } = control;
  const { discardCache = false, ...fields } = input;
  const { view, ...told } = control.change((record) => {
    const before = findCollection(catalog, name);
    const after = changedCollection(catalog, before, fields);
    const { machines } = catalog;
    const rules = { of: 'collection', discardCache, givesPin: false } as const;
    const changed = changeMachines(control, machines.ofCollection(before.id), rules, () => {
      catalog.collections.update(after);
      return machines.ofCollection(before.id);
    });
    refuseTemplateWithoutVdisk(catalog);
    record({
      kind: 'collection.changed',
      subject: `collection/${after.name}`,
      message:
        after.name === name
          ? `collection ${name}: ${toldChanges(fields)}`
          : `collection ${name} is called ${after.name} now`,
      data: after.name === name ? fields : { ...fields, before: name },
    });
    for (const machine of changed.otherVdisk) {
      const vdisk = catalog.vdisks.byId(machine.vdiskId)?.name ?? machine.vdiskId;
      record({
        kind: 'machine.changed',
        subject: `machine/${machine.name}`,
        message: `machine ${machine.name} boots from ${vdisk} now, as its collection ${after.name} does`,
        data: { vdisk, collection: after.name, discardedCache: true },
      });
    }
    const { otherVdisk, treatedDifferently } = changed;
    return { view: viewOf(catalog, after), otherVdisk, told: treatedDifferently };
  });
  await tellDataPlane(control, told);
  return view;
}

/** @throws Fault NOT_FOUND, IN_USE (machines are in it, or new ones would be) */
export function deleteCollection(control: Control, name: string): void {
  const { catalog } = control;
  control.change((record) => {
    const { id } = findCollection(catalog, name);
    const machines = catalog.machines.ofCollection(id);
    if (machines.length > 0) {
      const names = toldNames(machines.map((machine) => machine.name));
      throw new Fault('IN_USE', `collection ${name} has machines: ${names}`, {
        field: 'collection.machines',
        value: machines.length,
        expected: 'a collection without machines (rootcast machine set --out-of-collection)',
      });
    }
    if (catalog.enrolments.template()?.collectionId === id) {
      throw new Fault('IN_USE', `collection ${name} is where new machines go by policy`, {
        field: 'enrolmentPolicy.template.collection',
        value: name,
        expected: 'another enrolment policy (rootcast enrolment policy)',
      });
    }
    catalog.collections.delete(id);
    catalog.personality.clear(id);
    record({
      kind: 'collection.deleted',
      subject: `collection/${name}`,
      message: `collection ${name} deleted`,
    });
  });
}

function changedCollection(
  catalog: Catalog,
  before: CollectionRecord,
  input: Omit<UpdateCollectionInput, 'discardCache'>,
): CollectionRecord {
  const { name = before.name, description, kernelArguments, ...settings } = input;
  if (name !== before.name) refuseTakenName(catalog, parseName(name, 'collection.name'));
  return {
    ...before,
    name,
    description: description ?? before.description,
    settings: changedSettings(catalog, before.settings, settings, 'collection'),
    kernelArguments:
      kernelArguments === undefined
        ? before.kernelArguments
        : parseKernelArguments(kernelArguments, 'collection.kernelArguments'),
  };
}

function refuseTakenName(catalog: Catalog, name: string): void {
  if (catalog.collections.byName(name) === undefined) return;
  throw new Fault('ALREADY_EXISTS', `there is a collection ${name} already`, {
    field: 'collection.name',
    value: name,
    expected: 'a name that no other collection has',
  });
}

/** Machines that enrol themselves would have nothing to boot. */
function refuseTemplateWithoutVdisk(catalog: Catalog): void {
  const template = catalog.enrolments.template();
  if (template?.collectionId === undefined || template.settings.vdiskId !== undefined) return;
  const collection = catalog.collections.byId(template.collectionId);
  if (collection?.settings.vdiskId !== undefined) return;
  throw new Fault('IN_USE', 'new machines get the vDisk of this collection by policy', {
    field: 'collection.vdisk',
    value: null,
    expected: 'a vDisk, or another enrolment policy (rootcast enrolment policy)',
  });
}

function viewOf(catalog: Catalog, collection: CollectionRecord): CollectionView {
  const machines = catalog.machines.countByCollection().get(collection.id) ?? 0;
  return collectionView(collection, machines, (id) => catalog.vdisks.byId(id)?.name);
}

function collectionView(
  { id, name, description, createdAt, settings, kernelArguments }: CollectionRecord,
  machines: number,
  vdiskName: (id: string) => string | undefined,
): CollectionView {
  return {
    id,
    name,
    description,
    createdAt: iso(createdAt),
    machines,
    settings: settingsView('collection', settings, undefined, (vdisk) => vdiskName(vdisk) ?? vdisk),
    kernelArguments,
  };
}
