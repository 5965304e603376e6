import fc from 'fast-check';
import {
  type ApiType,
  map,
  oneOf,
  option,
  record,
  ref,
  set,
} from '../../../../src/xenapi/datamodel/description.ts';

const KIND = oneOf('kind', ['user', 'System', 'cbt_metadata']);

const LAST_MS = Date.parse('9999-12-31T23:59:59Z');

/** What XML cannot carry as it is: control characters, and a carriage return. */
const carried = (text: string): string => text.replace(/[\p{Cc}\ufffe\uffff]/gu, '');

/** Any type of the datamodel. */
export const anyType: fc.Arbitrary<ApiType> = fc.letrec<{ type: ApiType }>((tie) => ({
  type: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    fc.constantFrom<ApiType>(
      'string',
      'int',
      'int32',
      'float',
      'bool',
      'datetime',
      KIND,
      ref('VDI'),
    ),
    tie('type').map((of) => set(of)),
    fc
      .tuple(fc.constantFrom<ApiType>('string', 'int', ref('SR')), tie('type'))
      .map(([key, value]) => map(key, value)),
    fc
      .array(tie('type'), { maxLength: 4 })
      .map((types) =>
        record('r', Object.fromEntries(types.map((type, index) => [`f${index}`, type]))),
      ),
    tie('type').map((of) => option(of)),
  ),
})).type;

/** A value of it, as XML-RPC can carry it: floats of 15 digits, dates of whole seconds. */
export function anyValueOf(type: ApiType): fc.Arbitrary<unknown> {
  const text = fc.string({ unit: 'grapheme', maxLength: 20 }).map(carried);
  switch (type) {
    case 'string':
      return text;
    case 'int':
      return fc.maxSafeInteger();
    case 'int32':
      return fc.integer();
    case 'float':
      return fc
        .double({ noNaN: true, noDefaultInfinity: true, min: -1e300, max: 1e300 })
        .map((value) => Number(value.toPrecision(15)) + 0);
    case 'bool':
      return fc.boolean();
    case 'datetime':
      return fc.integer({ min: -62_167_219_200, max: LAST_MS / 1000 }).map((s) => s * 1000);
    case 'void':
      return fc.constant(undefined);
  }
  switch (type.kind) {
    case 'ref':
      return fc.uuid().map((uuid) => `OpaqueRef:${uuid}`);
    case 'enum':
      return fc.constantFrom(...type.values);
    case 'set':
      return fc.array(anyValueOf(type.of), { maxLength: 4 });
    case 'map': {
      const key = type.key === 'string' ? text : anyValueOf(type.key).map((value) => String(value));
      return fc
        .array(fc.tuple(key, anyValueOf(type.value)), { maxLength: 4 })
        .map((entries) => new Map(entries));
    }
    case 'record':
      return fc.tuple(...Object.values(type.members).map(anyValueOf)).map((values) => {
        const names = Object.keys(type.members);
        const entries = names.map((name, index) => [name, values[index]] as const);
        return Object.fromEntries(entries.filter(([, value]) => value !== undefined));
      });
    case 'option':
      return fc.option(anyValueOf(type.of), { nil: undefined });
    case 'any':
      throw new Error('nobody can send one');
  }
}

export const typedValue: fc.Arbitrary<{ readonly type: ApiType; readonly value: unknown }> =
  anyType.chain((type) => anyValueOf(type).map((value) => ({ type, value })));
