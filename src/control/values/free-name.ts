/** Names (name.ts) of what is called otherwise elsewhere: free text, or whatever an array calls its volumes. */
import { MAX_NAME_LENGTH } from '../limits.ts';

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
  const plain = text
    .normalize('NFKD')
    .replace(MARKS, '')
    .toLowerCase()
    .replace(UNUSABLE, '-')
    .replace(BEFORE_FIRST, '');
  const whole = plain.slice(0, MAX_NAME_LENGTH).replace(/-+$/, '') || otherwise;
  if (!isTaken(whole)) return whole;
  for (let number = 2; ; number++) {
    const ending = `-${number}`;
    const name = whole.slice(0, MAX_NAME_LENGTH - ending.length) + ending;
    if (!isTaken(name)) return name;
  }
}
