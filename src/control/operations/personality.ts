/** Personality data of machines and collections: values/personality.ts says what it is. */
import type { Catalog } from '../catalog/catalog.ts';
import type { MachineRecord } from '../catalog/records.ts';
import type { Control } from '../control.ts';
import { MAX_PERSONALITY_BYTES } from '../limits.ts';
import type {
  PersonalityView,
  ReplacePersonalityInput,
  UpdatePersonalityInput,
} from '../schemas/personality.ts';
import { parseMac } from '../values/mac-address.ts';
import {
  formatPersonality,
  type PersonalityFormat,
  parsePersonalityName,
  parsePersonalityValue,
} from '../values/personality.ts';
import { PersonalityAllowance } from '../values/personality-allowance.ts';
import { toldNames } from '../values/told-names.ts';
import { findCollection, findMachine } from './find.ts';

/** Whose it is. */
export interface PersonalityOwner {
  readonly kind: 'machine' | 'collection';
  readonly name: string;
}

/** @throws Fault NOT_FOUND */
export function showPersonality({ catalog }: Control, owner: PersonalityOwner): PersonalityView {
  const { id, collectionId } = findOwner(catalog, owner);
  const own = catalog.personality.of(id);
  const inherited = [...ofCollection(catalog, collectionId)].filter(([name]) => !own.has(name));
  const all = [...own, ...inherited];
  return {
    values: Object.fromEntries(own),
    inherited: Object.fromEntries(inherited),
    bytes: all.reduce((sum, [name, value]) => sum + bytesOf(name) + bytesOf(value), 0),
    bytesMax: MAX_PERSONALITY_BYTES,
  };
}

/** All of its own. @throws Fault NOT_FOUND, INVALID_INPUT, LIMIT_EXCEEDED */
export function replacePersonality(
  control: Control,
  owner: PersonalityOwner,
  { values }: ReplacePersonalityInput,
): PersonalityView {
  const { catalog } = control;
  const { id } = findOwner(catalog, owner);
  const unset = [...catalog.personality.of(id).keys()].filter(
    (name) => !Object.hasOwn(values, name),
  );
  return updatePersonality(control, owner, { set: values, unset });
}

/** What is given; the rest stays. @throws Fault NOT_FOUND, INVALID_INPUT, LIMIT_EXCEEDED */
export function updatePersonality(
  control: Control,
  owner: PersonalityOwner,
  { set = {}, unset = [] }: UpdatePersonalityInput,
): PersonalityView {
  control.change((record) => {
    const { personality } = control.catalog;
    const { id } = findOwner(control.catalog, owner);
    const before = personality.of(id);
    const removed = unset.filter((name) => before.has(parsePersonalityName(name)));
    const changed = Object.entries(set).filter(([name, value]) => {
      parsePersonalityName(name);
      return before.get(name) !== parsePersonalityValue(name, value);
    });
    for (const name of removed) personality.delete(id, name);
    for (const [name, value] of changed) personality.set(id, name, value);
    if (removed.length + changed.length === 0) return;
    refuseTooMuch(control.catalog, owner);
    const told = [
      ...(changed.length === 0 ? [] : [`${toldNames(changed.map(([name]) => name))} set`]),
      ...(removed.length === 0 ? [] : [`${toldNames(removed)} removed`]),
    ];
    record({
      kind: `${owner.kind}.personality-changed`,
      subject: `${owner.kind}/${owner.name}`,
      message: `personality data of ${owner.kind} ${owner.name}: ${told.join('; ')}`,
      data: { set: changed.length, removed: removed.length },
    });
  });
  return showPersonality(control, owner);
}

/** Its own. @throws Fault NOT_FOUND */
export function clearPersonality(control: Control, owner: PersonalityOwner): void {
  replacePersonality(control, owner, { values: {} });
}

/**
 * What the machine is handed: its collection's, and its own, which wins. By name.
 * @returns undefined: nobody has the address, or the machine is disabled (as for its boot files)
 * @throws Fault INVALID_INPUT
 */
export function personalityOf(
  { catalog }: Control,
  macText: string,
): ReadonlyMap<string, string> | undefined {
  const machine = catalog.machines.byMac(parseMac(macText, 'mac'));
  if (machine?.enabled !== true) return undefined;
  const merged = [
    ...ofCollection(catalog, machine.collectionId),
    ...catalog.personality.of(machine.id),
  ];
  return new Map([...new Map(merged)].sort(([a], [b]) => (a < b ? -1 : 1)));
}

/** The same as text for the guest. @throws Fault INVALID_INPUT */
export function personalityText(
  control: Control,
  macText: string,
  format: PersonalityFormat,
): string | undefined {
  const values = personalityOf(control, macText);
  return values === undefined ? undefined : formatPersonality(values, format);
}

/** Of a machine with what its collection gives. @throws Fault LIMIT_EXCEEDED, INVALID_INPUT */
export function refuseTooMuchPersonality(catalog: Catalog, machine: MachineRecord): void {
  const { personality } = catalog;
  const { id, name, collectionId } = machine;
  const inherited = collectionId === undefined ? [] : personality.sizes(collectionId);
  new PersonalityAllowance(inherited).check(`machine ${name}`, personality.sizes(id));
}

function refuseTooMuch(catalog: Catalog, { kind, name }: PersonalityOwner): void {
  if (kind === 'machine') {
    refuseTooMuchPersonality(catalog, findMachine(catalog, name));
    return;
  }
  const { id } = findCollection(catalog, name);
  const own = catalog.personality.sizes(id);
  new PersonalityAllowance([]).check(`collection ${name}`, own);
  const allowance = new PersonalityAllowance(own);
  for (const { machine, sizes } of catalog.personality.sizesInCollection(id)) {
    allowance.check(`machine ${machine}`, sizes);
  }
}

function findOwner(
  catalog: Catalog,
  { kind, name }: PersonalityOwner,
): { readonly id: string; readonly collectionId?: string | undefined } {
  switch (kind) {
    case 'machine':
      return findMachine(catalog, name);
    case 'collection':
      return findCollection(catalog, name);
  }
}

function ofCollection(catalog: Catalog, id: string | undefined): ReadonlyMap<string, string> {
  return id === undefined ? new Map() : catalog.personality.of(id);
}

function bytesOf(text: string): number {
  return Buffer.byteLength(text);
}
