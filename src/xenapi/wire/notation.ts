/**
 * Writes values of the datamodel as text, in one of two notations. A type is turned into a function once, and
 * that function writes the value: 10,000 records of 30 fields are 300,000 values. (The types of a class's records
 * must therefore be the same objects from call to call.)
 */
import type { ApiType, Members, Scalar, TypedValue } from '../datamodel/description.ts';

/** @throws TypeError when the value is not of the type: a mistake of ours */
export type Write = (value: unknown) => string;

interface Brackets {
  readonly open: string;
  readonly between: string;
  readonly close: string;
}

export interface Notation {
  /** References and enumerations are written as strings. */
  readonly scalars: Readonly<Record<Scalar, Write>>;
  /** Of an option outside a struct; inside it has no member. */
  readonly none: string;
  readonly array: Brackets;
  readonly struct: Brackets & {
    /** What stands before a member's value. */
    readonly member: (name: string) => string;
    readonly afterMember: string;
  };
}

export class Writer {
  readonly #notation: Notation;
  readonly #writes = new WeakMap<object, Write>();
  /** What 50 clients that wait for the same event are told is written once; it lives as long as the event. */
  readonly #texts = new WeakMap<object, string>();

  constructor(notation: Notation) {
    this.#notation = notation;
  }

  /** All of a value. @throws TypeError */
  write(type: ApiType, value: unknown): string {
    return this.#writeOf(type)(value);
  }

  /**
   * The same text in parts: each member of an outer array or map is a part, so that none grows with their number.
   * The value must stay as it is until the last part is taken.
   * @throws TypeError
   */
  *parts(type: ApiType, value: unknown): Generator<string, void> {
    if (typeof type !== 'string') {
      const { array, struct } = this.#notation;
      switch (type.kind) {
        case 'set':
          return yield* this.#listed(array, arrayOf(value).values(), this.#writeOf(type.of));
        case 'map':
          return yield* this.#listed(struct, mapOf(value).entries(), this.#entryOf(type.value));
        case 'record':
          return yield* this.#recordParts(type.members, value);
      }
    }
    yield this.write(type, value);
  }

  *#listed<T>(
    { open, between, close }: Brackets,
    members: Iterable<T>,
    write: (member: T) => string,
  ): Generator<string, void> {
    yield open;
    let separator = '';
    for (const member of members) {
      yield separator + write(member);
      separator = between;
    }
    yield close;
  }

  *#recordParts(members: Members, value: unknown): Generator<string, void> {
    const { struct } = this.#notation;
    const fields = fieldsOf(value);
    yield struct.open;
    let separator = '';
    for (const [name, type] of Object.entries(members)) {
      const field = fields[name];
      if (field === undefined && isOption(type)) continue;
      yield separator + struct.member(name);
      yield* this.parts(isOption(type) ? type.of : type, field);
      yield struct.afterMember;
      separator = struct.between;
    }
    yield struct.close;
  }

  #writeOf(type: ApiType): Write {
    if (typeof type === 'string') return this.#notation.scalars[type];
    let write = this.#writes.get(type);
    if (write === undefined) {
      write = this.#compiled(type);
      this.#writes.set(type, write);
    }
    return write;
  }

  #compiled(type: Exclude<ApiType, Scalar>): Write {
    const { scalars, none, array, struct } = this.#notation;
    switch (type.kind) {
      case 'ref':
      case 'enum':
        return scalars.string;
      case 'set': {
        const write = this.#writeOf(type.of);
        return (value) => bracketed(array, arrayOf(value), write);
      }
      case 'map': {
        const write = this.#entryOf(type.value);
        return (value) => bracketed(struct, mapOf(value), write);
      }
      case 'option': {
        const write = this.#writeOf(type.of);
        return (value) => (value === undefined ? none : write(value));
      }
      case 'record':
        return this.#recordOf(type.members);
      case 'any':
        return (value) => this.#typed(fieldsOf(value) as unknown as TypedValue);
    }
  }

  #typed(typed: TypedValue): string {
    const text = this.#texts.get(typed) ?? this.write(typed.type, typed.value);
    this.#texts.set(typed, text);
    return text;
  }

  #entryOf(type: ApiType): (entry: readonly [string, unknown]) => string {
    const { member, afterMember } = this.#notation.struct;
    const write = this.#writeOf(type);
    return ([name, value]) => member(name) + write(value) + afterMember;
  }

  #recordOf(types: Members): Write {
    const { struct } = this.#notation;
    const { open, between, close, afterMember } = struct;
    const members = Object.entries(types).map(([name, type]) => ({
      name,
      before: struct.member(name),
      optional: isOption(type),
      write: this.#writeOf(type),
    }));
    return (value) => {
      const fields = fieldsOf(value);
      let text = open;
      let separator = '';
      for (const { name, before, optional, write } of members) {
        const field = fields[name];
        if (optional && field === undefined) continue;
        try {
          text += separator + before + write(field) + afterMember;
        } catch (error) {
          throw new TypeError(`${name}: ${error instanceof Error ? error.message : error}`);
        }
        separator = between;
      }
      return text + close;
    };
  }
}

function bracketed<T>(
  { open, between, close }: Brackets,
  members: Iterable<T>,
  write: (member: T) => string,
): string {
  let text = open;
  let separator = '';
  for (const member of members) {
    text += separator + write(member);
    separator = between;
  }
  return text + close;
}

function isOption(type: ApiType): type is Extract<ApiType, { readonly kind: 'option' }> {
  return typeof type !== 'string' && type.kind === 'option';
}

/** A mistake of ours. The value itself is not told: it may be a secret. */
export function notWritable(value: unknown, expected: string): TypeError {
  return new TypeError(`${value === null ? 'null' : typeof value} instead of ${expected}`);
}

function arrayOf(value: unknown): readonly unknown[] {
  if (Array.isArray(value)) return value;
  throw notWritable(value, 'an array');
}

function mapOf(value: unknown): ReadonlyMap<string, unknown> {
  if (value instanceof Map) return value;
  throw notWritable(value, 'a map');
}

function fieldsOf(value: unknown): Readonly<Record<string, unknown>> {
  if (typeof value === 'object' && value !== null) return value as Record<string, unknown>;
  throw notWritable(value, 'a record');
}
