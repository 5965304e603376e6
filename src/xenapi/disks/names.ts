/**
 * Names of volumes and snapshots, made of labels. A label is any text, and that of another as well; a name is of few
 * characters and unlike any other. Who sets a label gets it back as it was typed as long as the name is still the one
 * that was made of it: whoever renames in the control plane changes the label. Nothing but the two texts is needed
 * to see that.
 */
import { createHash } from 'node:crypto';
import {
  isNameOf,
  MAX_NAME_LENGTH,
  freeName as plainOrNumbered,
  shortDescription,
} from '../../control/index.ts';
import { NAME_SUFFIX_LENGTH, NAMES_TRIED } from './limits.ts';

/** Of a label none of whose characters a name can have. */
const NAMELESS = 'disk';
const SUFFIX = new RegExp(`^-[0-9a-f]{${NAME_SUFFIX_LENGTH}}$`);

/** Without what tells it from others. */
export function nameOfLabel(label: string): string {
  return plainOrNumbered(label, NAMELESS, () => false);
}

/**
 * One for that label which is not taken: the plain one if it is free, else with some digits of chance: a thousand
 * disks of one label are no rarity, and numbers would be tried one after the other.
 * @param newId gives a fresh unique id
 */
export function freeName(
  label: string,
  isTaken: (name: string) => boolean,
  newId: () => string,
): string {
  const plain = nameOfLabel(label);
  return isTaken(plain) ? otherName(label, isTaken, newId) : plain;
}

/** One with some digits of chance. */
export function otherName(
  label: string,
  isTaken: (name: string) => boolean,
  newId: () => string,
): string {
  const plain = beforeSuffix(label);
  for (let tried = 1; ; tried++) {
    const digits = createHash('sha256').update(newId()).digest('hex').slice(0, NAME_SUFFIX_LENGTH);
    const name = `${plain}-${digits}`;
    if (!isTaken(name) || tried === NAMES_TRIED) return name; // taken after all: the operation says so
  }
}

function beforeSuffix(label: string): string {
  return nameOfLabel(label).slice(0, MAX_NAME_LENGTH - 1 - NAME_SUFFIX_LENGTH);
}

/** What is shown: the label as typed, unless the name has become another one. */
export function labelOf(typed: string | undefined, name: string): string {
  if (typed === undefined) return name;
  const plain = beforeSuffix(typed);
  const hasSuffix = name.startsWith(plain) && SUFFIX.test(name.slice(plain.length));
  return hasSuffix || isNameOf(name, typed, NAMELESS) ? typed : name;
}

/** What is shown: as typed, unless it has become another one. */
export function descriptionOf(typed: string | undefined, description: string): string {
  return typed !== undefined && shortDescription(typed) === description ? typed : description;
}
