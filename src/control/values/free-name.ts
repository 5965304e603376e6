/** Names (name.ts) and descriptions of what is called otherwise elsewhere: by free text, or as an array calls its volumes. */
import { MAX_DESCRIPTION_LENGTH, MAX_NAME_LENGTH } from '../limits.ts';

/** What is between letters, digits and the marks of a name, and what comes before the first letter or digit. */
const UNUSABLE = /[^a-z0-9._-]+/g;
const BEFORE_FIRST = /^[^a-z0-9]+/;
/** Letters with their marks taken off: é is e. */
const MARKS = /\p{M}/gu;

/**
 * A name that reads like `text`, and that nothing has yet.
 * @param otherwise what it is called when nothing of the text can be used
 * @param isTaken must be false of some number: it is asked for one after the other
 */
export function freeName(
  text: string,
  otherwise: string,
  isTaken: (name: string) => boolean,
): string {
  const plain = plainName(text, otherwise);
  let name = plain;
  for (let number = 2; isTaken(name); number++) name = numbered(plain, number);
  return name;
}

/** Whether it could be one that was made of the text: then the text is still what it is called. */
export function isNameOf(name: string, text: string, otherwise: string): boolean {
  const plain = plainName(text, otherwise);
  if (name === plain) return true;
  const number = Number(/-(\d+)$/.exec(name)?.[1] ?? Number.NaN);
  return number >= 2 && name === numbered(plain, number);
}

function plainName(text: string, otherwise: string): string {
  const plain = text
    .normalize('NFKD')
    .replace(MARKS, '')
    .toLowerCase()
    .replace(UNUSABLE, '-')
    .replace(BEFORE_FIRST, '');
  return plain.slice(0, MAX_NAME_LENGTH).replace(/-+$/, '') || otherwise;
}

function numbered(plain: string, number: number): string {
  const ending = `-${number}`;
  return plain.slice(0, MAX_NAME_LENGTH - ending.length) + ending;
}

/** As much of it as the catalog keeps. */
export function shortDescription(text: string): string {
  return text.slice(0, MAX_DESCRIPTION_LENGTH);
}
