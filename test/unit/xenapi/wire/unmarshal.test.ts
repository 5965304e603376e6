import { describe, expect, it } from 'vitest';
import {
  type ApiType,
  map,
  oneOf,
  option,
  record,
  ref,
  STRING_MAP,
  set,
} from '../../../../src/xenapi/datamodel/description.ts';
import { TypeViolation } from '../../../../src/xenapi/wire/type-violation.ts';
import { unmarshal } from '../../../../src/xenapi/wire/unmarshal.ts';
import { WireDateTime, type WireValue } from '../../../../src/xenapi/wire/wire-value.ts';

const KIND = oneOf('vdi_type', ['user', 'cbt_metadata', 'HA_statefile']);
const STRUCT = record('probe', { uuid: 'string', size: 'int', free: option('int') });

function refusalOf(type: ApiType, value: WireValue): readonly string[] {
  try {
    unmarshal(type, value, 'p');
  } catch (error) {
    if (error instanceof TypeViolation) return error.description;
    throw error;
  }
  throw new Error('it was accepted');
}

describe('a value of a type', () => {
  it.each<[string, ApiType, WireValue, unknown]>([
    ['a string', 'string', 'text', 'text'],
    ['a string that looks like a number', 'string', '1', '1'],
    ['a reference', ref('VDI'), 'OpaqueRef:NULL', 'OpaqueRef:NULL'],
    ['an int', 'int', 7, 7],
    ['an int as text', 'int', '-7', -7],
    ['the largest int', 'int', '9007199254740991', 2 ** 53 - 1],
    ['a zero with a sign', 'int', '-0', 0],
    ['an int of 32 bits', 'int32', -(2 ** 31), -(2 ** 31)],
    ['a float', 'float', 0.5, 0.5],
    ['a float that is an int', 'float', 3, 3],
    ['a float as text', 'float', '1.5e3', 1500],
    ['a bool', 'bool', true, true],
    [
      'a date',
      'datetime',
      new WireDateTime('20261128T10:11:12Z'),
      Date.UTC(2026, 10, 28, 10, 11, 12),
    ],
    ['a date as text', 'datetime', '2026-11-28T10:11:12Z', Date.UTC(2026, 10, 28, 10, 11, 12)],
    ['nothing', 'void', '', undefined],
    ['nil for nothing', 'void', null, undefined],
    ['one of an enumeration', KIND, 'user', 'user'],
    ['one of an enumeration in another case', KIND, 'ha_STATEFILE', 'HA_statefile'],
    ['a set', set('int'), ['1', 2], [1, 2]],
    ['an empty set', set('int'), [], []],
    ['a map', STRING_MAP, new Map([['k', 'v']]), new Map([['k', 'v']])],
    ['a map of ints', map('int', 'float'), new Map([['007', 1]]), new Map([['7', 1]])],
    [
      'a map of references',
      map(ref('VDI'), 'bool'),
      new Map([['OpaqueRef:1', true]]),
      new Map([['OpaqueRef:1', true]]),
    ],
    [
      'a map of an enumeration',
      map(KIND, 'string'),
      new Map([['USER', 'v']]),
      new Map([['user', 'v']]),
    ],
    [
      'a struct',
      STRUCT,
      new Map<string, WireValue>([
        ['uuid', 'u'],
        ['size', '1'],
        ['free', 0],
      ]),
      { uuid: 'u', size: 1, free: 0 },
    ],
    [
      'a struct without what may be missing',
      STRUCT,
      new Map<string, WireValue>([
        ['uuid', 'u'],
        ['size', '1'],
      ]),
      { uuid: 'u', size: 1 },
    ],
    [
      'a struct with nil for what may be missing',
      STRUCT,
      new Map<string, WireValue>([
        ['uuid', 'u'],
        ['size', '1'],
        ['free', null],
      ]),
      { uuid: 'u', size: 1 },
    ],
    [
      'a struct with more than is asked for',
      STRUCT,
      new Map<string, WireValue>([
        ['uuid', 'u'],
        ['size', '1'],
        ['more', []],
      ]),
      { uuid: 'u', size: 1 },
    ],
    ['an option', option('string'), 's', 's'],
    ['an option of nothing', option('string'), null, undefined],
  ])('is %s', (_what, type, value, expected) => {
    expect(unmarshal(type, value, 'p')).toStrictEqual(expected);
  });

  it.each<[ApiType, WireValue, string]>([
    ['string', 1, 'p: a string was expected, not the number 1'],
    ['string', true, 'p: a string was expected, not the boolean true'],
    ['string', null, 'p: a string was expected, not nil'],
    ['string', [], 'p: a string was expected, not an array'],
    ['string', new Map(), 'p: a string was expected, not a struct'],
    ['string', new WireDateTime('x'), 'p: a string was expected, not the date "x"'],
    [ref('VDI'), 1, 'p: a reference of VDI was expected, not the number 1'],
    ['int', 1.5, 'p: an integer of less than 2^53 was expected, not the number 1.5'],
    ['int', '1.5', 'p: an integer of less than 2^53 was expected, not "1.5"'],
    ['int', '', 'p: an integer of less than 2^53 was expected, not ""'],
    ['int', ' 1', 'p: an integer of less than 2^53 was expected, not " 1"'],
    [
      'int',
      '9007199254740993',
      'p: an integer of less than 2^53 was expected, not "9007199254740993"',
    ],
    [
      'int',
      2 ** 53,
      'p: an integer of less than 2^53 was expected, not the number 9007199254740992',
    ],
    ['int', true, 'p: an integer of less than 2^53 was expected, not the boolean true'],
    ['int32', 2 ** 31, 'p: an integer of 32 bits was expected, not the number 2147483648'],
    ['float', 'nan', 'p: a number was expected, not "nan"'],
    ['float', '1e999', 'p: a number was expected, not "1e999"'],
    ['float', null, 'p: a number was expected, not nil'],
    ['bool', 1, 'p: a boolean was expected, not the number 1'],
    ['bool', 'true', 'p: a boolean was expected, not "true"'],
    ['datetime', 5, 'p: a date was expected, not the number 5'],
    ['void', 'x', 'p: nothing was expected, not "x"'],
    [KIND, 1, 'p: a vdi_type was expected, not the number 1'],
    [set('int'), 'x', 'p: an array was expected, not "x"'],
    [set('int'), new Map(), 'p: an array was expected, not a struct'],
    [set('int'), [1, [2]], 'p[1]: an integer of less than 2^53 was expected, not an array'],
    [STRING_MAP, [], 'p: a struct was expected, not an array'],
    [STRING_MAP, new Map([['k"', 1]]), 'p["k\\""]: a string was expected, not the number 1'],
    [
      map('int', 'string'),
      new Map([['k', 'v']]),
      'p["k"]: an integer of less than 2^53 was expected, not "k"',
    ],
    [STRUCT, 'x', 'p: a struct was expected, not "x"'],
    [
      STRUCT,
      new Map([['uuid', 'u']]),
      'p.size: an integer of less than 2^53 was expected, not nothing',
    ],
    [
      STRUCT,
      new Map<string, WireValue>([
        ['uuid', 'u'],
        ['size', 1],
        ['free', 'x'],
      ]),
      'p.free: an integer of less than 2^53 was expected, not "x"',
    ],
    [
      'int',
      'x'.repeat(1000),
      `p: an integer of less than 2^53 was expected, not "${'x'.repeat(100)}…"`,
    ],
  ])('of %o is not %o', (type, value, message) => {
    expect(refusalOf(type, value)).toStrictEqual(['INTERNAL_ERROR', message]);
  });

  it('whose text is no date or not in its enumeration is an invalid one', () => {
    expect(refusalOf('datetime', 'yesterday')).toStrictEqual(['INVALID_VALUE', 'yesterday']);
    expect(refusalOf('datetime', new WireDateTime(''))).toStrictEqual(['INVALID_VALUE', '']);
    expect(refusalOf(KIND, 'usr')).toStrictEqual(['INVALID_VALUE', 'usr']);
    expect(refusalOf(map(KIND, 'string'), new Map([['usr', '']]))).toStrictEqual([
      'INVALID_VALUE',
      'usr',
    ]);
  });

  it('that is not well-formed text is an invalid one', () => {
    const expected = ['INVALID_VALUE', 'Invalid UTF-8 string in parameter', 'a\ufffd'];
    for (const type of ['string', ref('VDI'), KIND, 'datetime'] as const) {
      expect(refusalOf(type, 'a\udcff')).toStrictEqual(expected);
    }
    expect(refusalOf(STRING_MAP, new Map([['a\udcff', 'v']]))).toStrictEqual(expected);
    expect(refusalOf('int', 'a\udcff')[1]).not.toContain('\udcff');
  });

  it('never takes a name of a struct for anything but a member', () => {
    const value = new Map<string, WireValue>([
      ['uuid', 'u'],
      ['size', 1],
      ['__proto__', new Map([['polluted', true]])],
    ]);
    expect(Object.keys(unmarshal(STRUCT, value, 'p'))).toStrictEqual(['uuid', 'size']);
    const maps = unmarshal(STRING_MAP, new Map([['__proto__', 'x']]), 'p');
    expect(maps).toStrictEqual(new Map([['__proto__', 'x']]));
    expect(refusalOf(STRUCT, new Map())[1]).toContain('p.uuid');
  });
});
