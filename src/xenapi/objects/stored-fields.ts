/**
 * What only XenAPI knows of an object, as its catalog row keeps it: values of the datamodel as JSON. A map is an
 * array of pairs, since its keys come from clients.
 */
import type { ApiType, ClassDescription } from '../datamodel/description.ts';
import { emptyOf } from './defaults.ts';

/** JSON of a value of a type. */
export function toStored(type: ApiType, value: unknown): unknown {
  if (typeof type === 'string' || type.kind === 'ref' || type.kind === 'enum') return value;
  switch (type.kind) {
    case 'any':
      return undefined; // no field has it
    case 'option':
      return value === undefined ? undefined : toStored(type.of, value);
    case 'set':
      return (value as readonly unknown[]).map((member) => toStored(type.of, member));
    case 'map':
      return [...(value as ReadonlyMap<string, unknown>)].map(([key, member]) => [
        key,
        toStored(type.value, member),
      ]);
    case 'record':
      return Object.fromEntries(
        Object.entries(type.members).map(([name, member]) => [
          name,
          toStored(member, (value as Readonly<Record<string, unknown>>)[name]),
        ]),
      );
  }
}

/** What `toStored` made. Rows are ours: they are not checked once more. */
export function fromStored(type: ApiType, stored: unknown): unknown {
  if (typeof type === 'string' || type.kind === 'ref' || type.kind === 'enum') return stored;
  switch (type.kind) {
    case 'any':
      return emptyOf(type);
    case 'option':
      return stored === undefined ? undefined : fromStored(type.of, stored);
    case 'set':
      return (stored as readonly unknown[]).map((member) => fromStored(type.of, member));
    case 'map':
      return new Map(
        (stored as readonly (readonly [string, unknown])[]).map(([key, member]) => [
          key,
          fromStored(type.value, member),
        ]),
      );
    case 'record':
      return Object.fromEntries(
        Object.entries(type.members).map(([name, member]) => [
          name,
          fromStored(member, (stored as Readonly<Record<string, unknown>>)[name]),
        ]),
      );
  }
}

/** Those fields of a class that a row has; names that the class does not have (any more) are passed over. */
export function storedFields(
  description: ClassDescription,
  stored: Readonly<Record<string, unknown>> | undefined,
): Record<string, unknown> {
  const fields: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(stored ?? {})) {
    const field = description.fields[name];
    if (field !== undefined) fields[name] = fromStored(field.type, value);
  }
  return fields;
}
