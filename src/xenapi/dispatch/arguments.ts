/**
 * From what came in to what a message is given, by name and of the right types. The counts and their errors are
 * xapi's (gen_server.ml): too few is an error, too many only of a message none of whose parameters has a default.
 */
import type { ApiType } from '../datamodel/description.ts';
import type { Objects } from '../objects/objects.ts';
import { isNullRef } from '../objects/refs.ts';
import { xenError } from '../xen-error.ts';
import type { Entry, Given } from './entry.ts';

/** Reads one value of a type. @throws XenError INVALID_VALUE, INTERNAL_ERROR */
export type Unmarshal<W> = (type: ApiType, value: W, name: string) => unknown;

/** @throws XenError MESSAGE_PARAMETER_COUNT_MISMATCH */
export function checkCount({ className, name, parameters }: Entry, received: number): void {
  const required = parameters.filter(({ byDefault }) => byDefault === undefined).length;
  const hasDefaults = required < parameters.length;
  if (received === required || (received > required && hasDefaults)) return;
  throw xenError(
    'MESSAGE_PARAMETER_COUNT_MISMATCH',
    `${className}.${name}`,
    String(required),
    String(received),
  );
}

export function argumentsOf<W>(
  { parameters }: Entry,
  values: readonly W[],
  unmarshal: Unmarshal<W>,
): Given {
  const given: Record<string, unknown> = {};
  parameters.forEach(({ name, type, byDefault }, index) => {
    const value = values[index];
    given[name] = value === undefined ? byDefault?.value : unmarshal(type, value, name);
  });
  return given;
}

/**
 * Refs must be of objects that are there, or null: handlers need not ask again.
 * @throws XenError HANDLE_INVALID
 */
export function checkRefs({ parameters }: Entry, given: Given, objects: Objects): void {
  for (const { name, type } of parameters) {
    if (typeof type === 'string' || type.kind !== 'ref' || !objects.has(type.of)) continue;
    const ref = given[name] as string;
    if (name !== 'self' && isNullRef(ref)) continue;
    if (objects.find(type.of, ref) === undefined) throw xenError('HANDLE_INVALID', type.of, ref);
  }
}
