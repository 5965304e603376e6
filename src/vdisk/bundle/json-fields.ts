import { type Violation, violation } from './bundle-record.ts';

/** Ends the reading of a description; caught by readJson, and seen by nobody else. */
class WrongField extends Error {
  readonly violation: Violation;

  constructor(wrong: Violation) {
    super(wrong.field);
    this.violation = wrong;
  }
}

/** @returns what `read` makes of the JSON text, or what is wrong with it */
export function readJson<T extends { readonly kind: string }>(
  text: Buffer,
  read: (fields: JsonFields) => T,
): T | Violation {
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(text));
  } catch (error) {
    return violation('JSON', (error as Error).message, 'JSON in UTF-8');
  }
  try {
    return read(new JsonFields(value, ''));
  } catch (error) {
    if (error instanceof WrongField) return error.violation;
    throw error;
  }
}

/** The fields of an object from outside, each asked for with what it must be. Others are ignored. */
export class JsonFields {
  readonly #object: object;
  readonly #path: string;

  constructor(value: unknown, path: string) {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) {
      throw new WrongField(violation(path === '' ? 'JSON' : path, shown(value), 'an object'));
    }
    this.#object = value;
    this.#path = path;
  }

  /** Ends the reading: the field is not as it must be. */
  refuse(name: string, expected: string): never {
    throw new WrongField(violation(this.#name(name), shown(this.#get(name)), expected));
  }

  text(name: string, most: number): string {
    const value = this.#get(name);
    if (typeof value === 'string' && value.length <= most) return value;
    return this.refuse(name, `a text of at most ${most} characters`);
  }

  optionalText(name: string, most: number): string | undefined {
    return this.#isThere(name) ? this.text(name, most) : undefined;
  }

  whole(name: string, least: number, most: number): number {
    const value = this.#get(name);
    if (typeof value === 'number' && Number.isSafeInteger(value)) {
      if (value >= least && value <= most) return value;
    }
    return this.refuse(name, `a whole number, ${least} to ${most}`);
  }

  optionalWhole(name: string, least: number, most: number): number | undefined {
    return this.#isThere(name) ? this.whole(name, least, most) : undefined;
  }

  flag(name: string): boolean {
    const value = this.#get(name);
    return typeof value === 'boolean' ? value : this.refuse(name, 'true or false');
  }

  optionalFlag(name: string): boolean | undefined {
    return this.#isThere(name) ? this.flag(name) : undefined;
  }

  sha256(name: string): string {
    const value = this.#get(name);
    if (typeof value === 'string' && /^[0-9a-f]{64}$/.test(value)) return value;
    return this.refuse(name, '64 hexadecimal digits');
  }

  optionalSha256(name: string): string | undefined {
    return this.#isThere(name) ? this.sha256(name) : undefined;
  }

  oneOf<T extends string>(name: string, names: readonly T[]): T {
    const value = this.#get(name);
    const found = names.find((known) => known === value);
    return found ?? this.refuse(name, `one of ${names.join(', ')}`);
  }

  optionalObject(name: string): JsonFields | undefined {
    return this.#isThere(name) ? new JsonFields(this.#get(name), this.#name(name)) : undefined;
  }

  object(name: string): JsonFields {
    return new JsonFields(this.#get(name), this.#name(name));
  }

  objects(name: string, least: number, most: number): readonly JsonFields[] {
    return this.#list(name, least, most).map(
      (item, index) => new JsonFields(item, `${this.#name(name)}[${index}]`),
    );
  }

  sha256List(name: string, most: number): readonly string[] {
    return this.#list(name, 0, most).map((item, index) => {
      return new JsonFields({ [index]: item }, this.#name(name)).sha256(String(index));
    });
  }

  #list(name: string, least: number, most: number): readonly unknown[] {
    const value = this.#get(name);
    if (Array.isArray(value) && value.length >= least && value.length <= most) return value;
    return this.refuse(name, `a list of ${least} to ${most}`);
  }

  /** Only what the object itself has. */
  #get(name: string): unknown {
    return Object.getOwnPropertyDescriptor(this.#object, name)?.value;
  }

  #isThere(name: string): boolean {
    const value = this.#get(name);
    return value !== undefined && value !== null;
  }

  #name(name: string): string {
    return this.#path === '' ? name : `${this.#path}.${name}`;
  }
}

/** A value from outside as it may stand in a message. */
function shown(value: unknown): string {
  return (JSON.stringify(value) ?? 'missing').slice(0, 100);
}
