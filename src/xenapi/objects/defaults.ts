/** What a field has before anybody gave it a value. */
import type { ApiType, ClassDescription, Field } from '../datamodel/description.ts';
import { NULL_REF } from './refs.ts';

export function defaultOf(field: Field): unknown {
  return field.byDefault ?? emptyOf(field.type);
}

/** The emptiest value of a type: '', 0, false, no members; of an enumeration its first. */
export function emptyOf(type: ApiType): unknown {
  switch (type) {
    case 'string':
      return '';
    case 'int':
    case 'int32':
    case 'float':
    case 'datetime':
      return 0;
    case 'bool':
      return false;
    case 'void':
      return undefined;
  }
  switch (type.kind) {
    case 'ref':
      return NULL_REF;
    case 'enum':
      return type.values[0];
    case 'set':
      return [];
    case 'map':
      return new Map();
    case 'option':
      return undefined;
    case 'any':
      return { type: 'void', value: undefined };
    case 'record':
      return Object.fromEntries(
        Object.entries(type.members).map(([name, member]) => [name, emptyOf(member)]),
      );
  }
}

/** A record of a class in which nothing is said; reverse fields are left to the database. */
export function emptyRecord(description: ClassDescription): Record<string, unknown> {
  const record: Record<string, unknown> = {};
  for (const [name, field] of Object.entries(description.fields)) {
    if (field.reverse === undefined) record[name] = defaultOf(field);
  }
  return record;
}
