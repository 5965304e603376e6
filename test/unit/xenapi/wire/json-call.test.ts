import { describe, expect, it } from 'vitest';
import { readJsonCall } from '../../../../src/xenapi/wire/json-call.ts';
import {
  MAX_CALL_VALUES,
  MAX_METHOD_CHARACTERS,
  MAX_NAME_CHARACTERS,
  MAX_VALUE_DEPTH,
} from '../../../../src/xenapi/wire/limits.ts';
import { violationOf } from './violation-of.ts';

const refusalOf = (text: string): string | undefined => violationOf(() => readJsonCall(text));
const calling = (params: string): string => `{"method":"m","params":${params},"id":1}`;

describe('a JSON-RPC call', () => {
  it('of version 1.0 has no version', () => {
    expect(readJsonCall('{"method":"a.b","params":["s",1],"id":"xyz"}')).toStrictEqual({
      ...{ version: '1.0', id: 'xyz', method: 'a.b', parameters: ['s', 1] },
    });
  });

  it('of version 2.0 may do without parameters, or name them', () => {
    const with2 = (params: string) =>
      readJsonCall(`{"jsonrpc":"2.0","method":"a.b"${params},"id":0}`);
    expect(with2(',"params":[true]')).toStrictEqual({
      ...{ version: '2.0', id: 0, method: 'a.b', parameters: [true] },
    });
    expect(with2('').parameters).toStrictEqual([]);
    expect(with2(',"params":null').parameters).toStrictEqual([]);
    expect(with2(',"params":{"k":"v"}').parameters).toStrictEqual([new Map([['k', 'v']])]);
  });

  it('has values of every kind', () => {
    const params =
      '["", "\\u0041\\ud83d\\ude00\\n", -1, 1.5, 1e3, true, false, null, [], [[1]], {}, {"a": {"b": []}}]';
    expect(readJsonCall(` ${calling(params)}\n`).parameters).toStrictEqual([
      ...['', 'A😀\n', -1, 1.5, 1000, true, false, null, [], [[1]]],
      new Map(),
      new Map([['a', new Map([['b', []]])]]),
    ]);
  });

  it('keeps names that objects have of their own, and the last of two of one name', () => {
    const [value] = readJsonCall(
      calling('[{"__proto__":{"x":1},"constructor":"c","k":1,"k":2}]'),
    ).parameters;
    expect(value).toStrictEqual(
      new Map<string, unknown>([
        ['__proto__', new Map([['x', 1]])],
        ['constructor', 'c'],
        ['k', 2],
      ]),
    );
    expect(({} as { x?: number }).x).toBeUndefined();
  });

  it('may have members that nobody knows', () => {
    expect(readJsonCall('{"error":null,"result":[1],"method":"m","params":[],"id":1}').method).toBe(
      'm',
    );
  });

  it.each<[string, string, string]>([
    ['nothing', '', 'malformed-json'],
    ['no JSON', 'hello', 'malformed-json'],
    ['half of it', calling('[').slice(0, -8), 'malformed-json'],
    ['something behind it', `${calling('[]')}x`, 'malformed-json'],
    ['a comma too many', calling('[1,]'), 'malformed-json'],
    ['a batch', `[${calling('[]')}]`, 'batch'],
    ['a text', '"m"', 'no-call'],
    ['null', 'null', 'no-call'],
    ['no method', '{"params":[],"id":1}', 'no-call'],
    ['a method that is no text', '{"method":1,"params":[],"id":1}', 'no-call'],
    ['no params in version 1.0', '{"method":"m","id":1}', 'no-call'],
    ['named params in version 1.0', calling('{}'), 'no-call'],
    ['params that are a text', '{"jsonrpc":"2.0","method":"m","params":"p","id":1}', 'no-call'],
    ['another version', '{"jsonrpc":"2.1","method":"m","params":[],"id":1}', 'no-call'],
    ['a version that is a number', '{"jsonrpc":2.0,"method":"m","params":[],"id":1}', 'no-call'],
    ['no id', '{"method":"m","params":[]}', 'notification'],
    ['an id that is null', '{"method":"m","params":[],"id":null}', 'notification'],
    ['an id with a fraction', '{"method":"m","params":[],"id":1.5}', 'no-call'],
    [
      'an id that cannot be told from others',
      '{"method":"m","params":[],"id":9007199254740993}',
      'no-call',
    ],
    ['an id that is an array', '{"method":"m","params":[],"id":[]}', 'no-call'],
    ['a number without end', calling('[1e999]'), 'bad-number'],
  ])('is refused: %s', (_what, text, violation) => {
    expect(refusalOf(text)).toBe(violation);
  });

  it('says nothing of what was in it', () => {
    const text = '{"method":"session.login_with_password","params":["root","geheim"';
    expect(() => readJsonCall(text)).toThrow(/^the body is not JSON$/);
  });

  it('limits depth', () => {
    const nested = (depth: number): string => calling(`[${'['.repeat(depth)}${']'.repeat(depth)}]`);
    expect(refusalOf(nested(MAX_VALUE_DEPTH))).toBeUndefined();
    expect(refusalOf(nested(MAX_VALUE_DEPTH + 1))).toBe('too-deep');
    expect(refusalOf('['.repeat(300_000))).toBe('too-deep');
    expect(refusalOf('{"a":'.repeat(60_000))).toBe('too-deep');
    expect(refusalOf(calling(`["${'['.repeat(100)}\\"${'{'.repeat(100)}"]`))).toBeUndefined();
  });

  it('limits the number of values', () => {
    const list = (count: number): string => calling(`[${'1,'.repeat(count - 1)}1]`);
    expect(refusalOf(list(MAX_CALL_VALUES))).toBeUndefined();
    expect(refusalOf(list(MAX_CALL_VALUES + 30))).toBe('too-many-values');
    expect(refusalOf(`[${'[],'.repeat(100_000)}`)).toBe('too-many-values');
  });

  it('limits names', () => {
    const named = (length: number): string => calling(`[{"${'n'.repeat(length)}":1}]`);
    expect(refusalOf(named(MAX_NAME_CHARACTERS))).toBeUndefined();
    expect(refusalOf(named(MAX_NAME_CHARACTERS + 1))).toBe('name-too-long');
    const method = (length: number): string =>
      `{"method":"${'m'.repeat(length)}","params":[],"id":1}`;
    expect(refusalOf(method(MAX_METHOD_CHARACTERS))).toBeUndefined();
    expect(refusalOf(method(MAX_METHOD_CHARACTERS + 1))).toBe('name-too-long');
  });
});
