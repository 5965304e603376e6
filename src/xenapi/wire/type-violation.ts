import { XenError } from '../xen-error.ts';
import { QUOTED_CHARACTERS } from './limits.ts';
import { WireDateTime, type WireValue } from './wire-value.ts';

/** Where a value is: a parameter's name, and what leads into it from there. */
export type Path = string;

/**
 * A value that is not of the type it should have, answered as xapi does: a text that is no date or not one of an
 * enumeration is INVALID_VALUE (exnHelper.ml), so is one that is no text (gen_server.ml), anything else the end of
 * its unmarshalling.
 */
export class TypeViolation extends XenError {
  readonly path: Path;
  /** What it was, shortened. */
  readonly came: string;
  /** What would have been right. */
  readonly expected: string;

  constructor(
    where: { readonly path: Path; readonly came: string; readonly expected: string },
    invalid?: readonly string[],
  ) {
    const { path, came, expected } = where;
    if (invalid !== undefined) super('INVALID_VALUE', invalid);
    else super('INTERNAL_ERROR', [`${path}: ${expected} was expected, not ${came}`]);
    this.path = path;
    this.came = came;
    this.expected = expected;
  }
}

/** For people: what kind of value it is, and a short one itself. */
export function shown(value: WireValue | undefined): string {
  if (value === undefined) return 'nothing';
  if (value === null) return 'nil';
  if (Array.isArray(value)) return 'an array';
  if (value instanceof Map) return 'a struct';
  if (value instanceof WireDateTime) return `the date ${quoted(value.text)}`;
  return typeof value === 'string' ? quoted(value) : `the ${typeof value} ${String(value)}`;
}

/** In quotes, well-formed and shortened. */
export function quoted(text: string): string {
  const short = text.length > QUOTED_CHARACTERS ? `${text.slice(0, QUOTED_CHARACTERS)}…` : text;
  return JSON.stringify(short.toWellFormed());
}
