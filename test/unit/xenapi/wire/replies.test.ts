import { describe, expect, it } from 'vitest';
import {
  ANY,
  type ApiType,
  map,
  oneOf,
  option,
  record,
  ref,
  STRING_MAP,
  set,
} from '../../../../src/xenapi/datamodel/description.ts';
import {
  type JsonReplyTo,
  jsonFailure,
  jsonSuccess,
} from '../../../../src/xenapi/wire/json-reply.ts';
import {
  xmlBare,
  xmlFailure,
  xmlSuccess,
  xmlValueText,
} from '../../../../src/xenapi/wire/xml-reply.ts';

const all = (parts: Iterable<string>): string => [...parts].join('');

const V1: JsonReplyTo = { version: '1.0', id: 7 };
const V2: JsonReplyTo = { version: '2.0', id: 'a"b' };

/** The result alone, of version 1.0. */
function jsonOf(type: ApiType, value: unknown): string {
  const text = all(jsonSuccess(V1, type, value));
  return text.slice('{"result":'.length, -',"error":null,"id":7}'.length);
}

const SR = record('SR', {
  uuid: 'string',
  physical_size: 'int',
  PBDs: set(ref('PBD')),
  other_config: STRING_MAP,
  last_seen: option('datetime'),
  progress: 'float',
});
const DATE = Date.UTC(2026, 10, 28, 9, 5, 3, 999);
const A_RECORD = {
  uuid: 'u',
  physical_size: 2 ** 40,
  PBDs: ['OpaqueRef:1', 'OpaqueRef:2'],
  other_config: new Map([['a&b', '<c>']]),
  last_seen: DATE,
  progress: 1,
};

describe('a value on the wires', () => {
  it.each<[string, ApiType, unknown, string, string]>([
    ['a string', 'string', 'text', '<value>text</value>', '"text"'],
    ['no text', 'string', '', '<value></value>', '""'],
    ['text of many alphabets', 'string', 'é✓😀\u007f', '<value>é✓😀\u007f</value>', '"é✓😀\u007f"'],
    [
      'markup',
      'string',
      `<a b="c">&'`,
      `<value>&lt;a b=&quot;c&quot;&gt;&amp;'</value>`,
      `"<a b=\\"c\\">&'"`,
    ],
    [
      'control characters',
      'string',
      'a\u0000\u0008\t\n\u000b\r\u001f\\b',
      '<value>a\t\n\r\\b</value>',
      '"a\\u0000\\b\\t\\n\\u000b\\r\\u001f\\\\b"',
    ],
    [
      'what is no character',
      'string',
      'a\ud800\ufffeb',
      '<value>a\ud800b</value>',
      '"a\ufffd\ufffeb"',
    ],
    [
      'a reference',
      ref('VDI'),
      'OpaqueRef:NULL',
      '<value>OpaqueRef:NULL</value>',
      '"OpaqueRef:NULL"',
    ],
    ['an enumeration', oneOf('e', ['a', 'b']), 'b', '<value>b</value>', '"b"'],
    ['an int', 'int', -5, '<value>-5</value>', '-5'],
    ['the largest int', 'int', 2 ** 53 - 1, '<value>9007199254740991</value>', '9007199254740991'],
    ['a zero with a sign', 'int', -0, '<value>0</value>', '0'],
    ['an int of 32 bits', 'int32', 12, '<value><i4>12</i4></value>', '12'],
    ['true', 'bool', true, '<value><boolean>1</boolean></value>', 'true'],
    ['false', 'bool', false, '<value><boolean>0</boolean></value>', 'false'],
    ['a float', 'float', 0.1, '<value><double>0.1</double></value>', '0.1'],
    ['a whole float', 'float', 1, '<value><double>1</double></value>', '1.0'],
    [
      'a float of 17 digits',
      'float',
      0.1 + 0.2,
      '<value><double>0.3</double></value>',
      '0.30000000000000004',
    ],
    [
      'a third',
      'float',
      1 / 3,
      '<value><double>0.3333333333333333</double></value>',
      '0.3333333333333333',
    ],
    ['a large float', 'float', 1e21, '<value><double>1e+21</double></value>', '1e+21'],
    ['a zero float with a sign', 'float', -0, '<value><double>-0</double></value>', '-0.0'],
    ['no number', 'float', Number.NaN, '<value><double>nan</double></value>', 'null'],
    ['no end', 'float', Number.NEGATIVE_INFINITY, '<value><double>-inf</double></value>', 'null'],
    [
      'a date',
      'datetime',
      DATE,
      '<value><dateTime.iso8601>20261128T09:05:03Z</dateTime.iso8601></value>',
      '"20261128T09:05:03Z"',
    ],
    [
      'the epoch',
      'datetime',
      0,
      '<value><dateTime.iso8601>19700101T00:00:00Z</dateTime.iso8601></value>',
      '"19700101T00:00:00Z"',
    ],
    ['nothing', 'void', undefined, '<value></value>', '""'],
    ['an empty set', set('int'), [], '<value><array><data></data></array></value>', '[]'],
    [
      'a set',
      set('int'),
      [1, 2],
      '<value><array><data><value>1</value><value>2</value></data></array></value>',
      '[1,2]',
    ],
    [
      'a set of sets',
      set(set('bool')),
      [[true], []],
      '<value><array><data><value><array><data><value><boolean>1</boolean></value></data></array></value><value><array><data></data></array></value></data></array></value>',
      '[[true],[]]',
    ],
    ['an empty map', STRING_MAP, new Map(), '<value><struct></struct></value>', '{}'],
    [
      'a map',
      map('int', 'bool'),
      new Map([
        ['1', true],
        ['2', false],
      ]),
      '<value><struct><member><name>1</name><value><boolean>1</boolean></value></member><member><name>2</name><value><boolean>0</boolean></value></member></struct></value>',
      '{"1":true,"2":false}',
    ],
    [
      'keys with markup',
      STRING_MAP,
      new Map([
        ['<"&', 'v'],
        ['__proto__', 'p'],
      ]),
      '<value><struct><member><name>&lt;&quot;&amp;</name><value>v</value></member><member><name>__proto__</name><value>p</value></member></struct></value>',
      '{"<\\"&":"v","__proto__":"p"}',
    ],
    ['an option', option('int'), 1, '<value>1</value>', '1'],
    ['an option of nothing', option('int'), undefined, '<value><nil/></value>', 'null'],
    [
      'a record',
      SR,
      A_RECORD,
      '<value><struct><member><name>uuid</name><value>u</value></member><member><name>physical_size</name><value>1099511627776</value></member><member><name>PBDs</name><value><array><data><value>OpaqueRef:1</value><value>OpaqueRef:2</value></data></array></value></member><member><name>other_config</name><value><struct><member><name>a&amp;b</name><value>&lt;c&gt;</value></member></struct></value></member><member><name>last_seen</name><value><dateTime.iso8601>20261128T09:05:03Z</dateTime.iso8601></value></member><member><name>progress</name><value><double>1</double></value></member></struct></value>',
      '{"uuid":"u","physical_size":1099511627776,"PBDs":["OpaqueRef:1","OpaqueRef:2"],"other_config":{"a&b":"<c>"},"last_seen":"20261128T09:05:03Z","progress":1.0}',
    ],
    [
      'a record without what it may lack',
      record('r', { a: option('int'), b: 'int', c: option('int') }),
      { b: 2 },
      '<value><struct><member><name>b</name><value>2</value></member></struct></value>',
      '{"b":2}',
    ],
    [
      'records by reference',
      map(ref('R'), record('r', { a: 'int' })),
      new Map([
        ['OpaqueRef:1', { a: 1 }],
        ['OpaqueRef:2', { a: 2 }],
      ]),
      '<value><struct><member><name>OpaqueRef:1</name><value><struct><member><name>a</name><value>1</value></member></struct></value></member><member><name>OpaqueRef:2</name><value><struct><member><name>a</name><value>2</value></member></struct></value></member></struct></value>',
      '{"OpaqueRef:1":{"a":1},"OpaqueRef:2":{"a":2}}',
    ],
    [
      'events with snapshots of any class',
      record('batch', {
        events: set(record('event', { id: 'string', snapshot: option(ANY) })),
        token: 'string',
      }),
      {
        events: [
          {
            id: '1',
            snapshot: { type: record('pool', { name: 'string' }), value: { name: 'p' } },
          },
          { id: '2' },
        ],
        token: 't',
      },
      '<value><struct><member><name>events</name><value><array><data><value><struct><member><name>id</name><value>1</value></member><member><name>snapshot</name><value><struct><member><name>name</name><value>p</value></member></struct></value></member></struct></value><value><struct><member><name>id</name><value>2</value></member></struct></value></data></array></value></member><member><name>token</name><value>t</value></member></struct></value>',
      '{"events":[{"id":"1","snapshot":{"name":"p"}},{"id":"2"}],"token":"t"}',
    ],
    ['a value with its own type', ANY, { type: 'int', value: 5 }, '<value>5</value>', '5'],
  ])('is %s', (_what, type, value, xml, json) => {
    if (type !== 'void') expect(xmlValueText(type, value)).toBe(xml);
    expect(all(xmlBare(type, value))).toBe(
      `<?xml version="1.0"?><methodResponse><params><param>${xml}</param></params></methodResponse>`,
    );
    expect(jsonOf(type, value)).toBe(json);
  });

  it('is nothing at all in the result of a task that has none', () => {
    expect(xmlValueText('void', undefined)).toBe('');
  });

  it.each<[ApiType, unknown, string]>([
    ['string', 5, 'number instead of a string'],
    ['string', null, 'null instead of a string'],
    ['int', 0.5, 'number instead of a safe integer'],
    ['int', 2 ** 53, 'number instead of a safe integer'],
    ['int', '5', 'string instead of a safe integer'],
    ['float', '5', 'string instead of a number'],
    ['bool', 1, 'number instead of a boolean'],
    ['datetime', Number.NaN, 'number instead of a date of a year of four digits'],
    ['datetime', 1e15, 'number instead of a date of a year of four digits'],
    ['datetime', new Date(), 'object instead of a date of a year of four digits'],
    ['void', 'x', 'string instead of nothing'],
    [set('int'), new Set([1]), 'object instead of an array'],
    [STRING_MAP, { a: 'b' }, 'object instead of a map'],
    [record('r', { a: 'int' }), undefined, 'undefined instead of a record'],
    [
      set(record('r', { a: record('s', { b: 'int' }) })),
      [{ a: {} }],
      'a: b: undefined instead of a safe integer',
    ],
  ])('of %o is never %o, which is a mistake of ours', (type, value, message) => {
    for (const write of [
      () =>
        xmlValueText(
          type === 'void' ? record('r', { v: type }) : type,
          type === 'void' ? { v: value } : value,
        ),
      () => all(xmlBare(type, value)),
      () => jsonOf(type, value),
    ]) {
      expect(write).toThrow(TypeError);
      expect(write).toThrow(message);
    }
  });
});

describe('a reply', () => {
  it('of XML-RPC has a status, the value or the error', () => {
    expect(all(xmlSuccess('int', 5))).toBe(
      '<?xml version="1.0"?><methodResponse><params><param><value><struct><member><name>Status</name><value>Success</value></member><member><name>Value</name><value>5</value></member></struct></value></param></params></methodResponse>',
    );
    expect(xmlFailure(['HANDLE_INVALID', 'VDI', 'Opaque<Ref>'])).toBe(
      '<?xml version="1.0"?><methodResponse><params><param><value><struct><member><name>Status</name><value>Failure</value></member><member><name>ErrorDescription</name><value><array><data><value>HANDLE_INVALID</value><value>VDI</value><value>Opaque&lt;Ref&gt;</value></data></array></value></member></struct></value></param></params></methodResponse>',
    );
  });

  it('of JSON-RPC 1.0 has both, one of them null', () => {
    expect(all(jsonSuccess(V1, 'int', 5))).toBe('{"result":5,"error":null,"id":7}');
    expect(jsonFailure(V1, ['SESSION_INVALID', 'OpaqueRef:1'])).toBe(
      '{"result":null,"error":["SESSION_INVALID","OpaqueRef:1"],"id":7}',
    );
  });

  it('of JSON-RPC 2.0 has one, and the error’s parameters in its data', () => {
    expect(all(jsonSuccess(V2, 'void', undefined))).toBe(
      '{"jsonrpc":"2.0","result":"","id":"a\\"b"}',
    );
    expect(jsonFailure(V2, ['SESSION_INVALID', 'OpaqueRef:1'])).toBe(
      '{"jsonrpc":"2.0","error":{"code":1,"message":"SESSION_INVALID","data":["OpaqueRef:1"]},"id":"a\\"b"}',
    );
    expect(jsonFailure(V2, ['SR_NOT_EMPTY'])).toContain('"data":[]');
  });

  it('comes in parts that do not grow with the number of records', () => {
    const type = map(ref('SR'), SR);
    const records = new Map(Array.from({ length: 1000 }, (_, i) => [`OpaqueRef:${i}`, A_RECORD]));
    for (const parts of [[...xmlSuccess(type, records)], [...jsonSuccess(V2, type, records)]]) {
      expect(parts.length).toBeGreaterThan(1000);
      expect(Math.max(...parts.map((part) => part.length))).toBeLessThan(1200);
    }
    const batch = record('batch', { events: set(SR), token: 'string' });
    const events = { events: [...records.values()], token: 't' };
    expect([...xmlSuccess(batch, events)].length).toBeGreaterThan(1000);
  });
});
