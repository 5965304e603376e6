import fc from 'fast-check';
import { SaxesParser } from 'saxes';
import { describe, expect, it } from 'vitest';
import { textOfBody, textOfXmlBody } from '../../../../src/xenapi/wire/body-text.ts';
import { readJsonCall } from '../../../../src/xenapi/wire/json-call.ts';
import { jsonSuccess } from '../../../../src/xenapi/wire/json-reply.ts';
import { TypeViolation } from '../../../../src/xenapi/wire/type-violation.ts';
import { unmarshal } from '../../../../src/xenapi/wire/unmarshal.ts';
import type { RpcCall } from '../../../../src/xenapi/wire/wire-value.ts';
import { readXmlCall } from '../../../../src/xenapi/wire/xml-call.ts';
import { xmlSuccess, xmlValueText } from '../../../../src/xenapi/wire/xml-reply.ts';
import { SEED } from '../../../support/seed.ts';
import { anyType, typedValue } from './typed-values.ts';
import { violationOf } from './violation-of.ts';

const XML = Buffer.from(
  `<?xml version="1.0" encoding="utf-8"?><methodCall><methodName>VDI.create</methodName><params><param><value>OpaqueRef:1</value></param><param><value><struct><member><name>näme_label</name><value><string>&lt;ä😀&#65;</string></value></member><member><name>virtual_size</name><value><i8>1048576</i8></value></member><member><name>a</name><value><array><data><value><boolean>1</boolean></value><value><double>-1.5e3</double></value><value><nil/></value><value><dateTime.iso8601>20261128T10:11:12Z</dateTime.iso8601></value></data></array></value></member></struct></value></param></params></methodCall>`,
);
const JSON_BODY = Buffer.from(
  '{"jsonrpc":"2.0","method":"VDI.create","params":["OpaqueRef:1",{"näme_label":"\\u003cä😀\\"","virtual_size":1048576,"a":[true,-1.5e3,null,"20261128T10:11:12Z"]}],"id":"x"}',
);

const WIRES: readonly [string, Buffer, (body: Uint8Array) => RpcCall][] = [
  ['XML-RPC', XML, (body) => readXmlCall(textOfXmlBody(body))],
  ['JSON-RPC', JSON_BODY, (body) => readJsonCall(textOfBody(body))],
];

/** A body with some of its bytes replaced, left out, or repeated. */
const mutated = (body: Buffer): fc.Arbitrary<Buffer> =>
  fc
    .array(
      fc.record({
        at: fc.nat(body.length - 1),
        drop: fc.nat(8),
        put: fc.oneof(
          fc.uint8Array({ maxLength: 4 }),
          fc
            .constantFrom(
              '<',
              '>',
              '&',
              '"',
              ']]>',
              '<!--',
              '<![CDATA[',
              '<?',
              '&#x',
              '\\u',
              '[',
              '{',
              '</',
            )
            .map((text) => Buffer.from(text)),
          fc.nat(body.length - 1).map((from) => body.subarray(from, from + 60)),
        ),
      }),
      { minLength: 1, maxLength: 4 },
    )
    .map((changes) =>
      changes.reduce(
        (bytes, { at, drop, put }) =>
          Buffer.concat([bytes.subarray(0, at), put, bytes.subarray(at + drop)]),
        body,
      ),
    );

describe.each(WIRES)('the reader of %s', (_name, body, read) => {
  it('reads all of a call, and refuses it when it is cut anywhere', () => {
    expect(read(body).method).toBe('VDI.create');
    for (let length = 0; length < body.length; length++) {
      expect(violationOf(() => read(body.subarray(0, length)))).toBeTypeOf('string');
    }
  });

  it('answers anything with a call or a violation', () => {
    fc.assert(
      fc.property(mutated(body), (bytes) => {
        violationOf(() => read(bytes));
      }),
      { seed: SEED, numRuns: 3000 },
    );
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        expect(violationOf(() => read(bytes))).toBeTypeOf('string');
      }),
      { seed: SEED, numRuns: 500 },
    );
  });

  it('leaves to the types whatever it has read', () => {
    fc.assert(
      fc.property(mutated(body), anyType, (bytes, type) => {
        let parameters: RpcCall['parameters'] = [];
        violationOf(() => {
          parameters = read(bytes).parameters;
        });
        for (const value of parameters) {
          try {
            unmarshal(type, value, 'p');
          } catch (error) {
            expect(error).toBeInstanceOf(TypeViolation);
          }
        }
      }),
      { seed: SEED, numRuns: 1000 },
    );
  });
});

describe('a value that is written and read again', () => {
  it('is the same over XML-RPC', () => {
    fc.assert(
      fc.property(typedValue, ({ type, value }) => {
        const text = `<methodCall><methodName>m</methodName><params><param>${xmlValueText(type, value)}</param></params></methodCall>`;
        const [read] = readXmlCall(text).parameters;
        expect(unmarshal(type, read ?? null, 'p')).toEqual(value);
      }),
      { seed: SEED, numRuns: 500 },
    );
  });

  it('is the same over JSON-RPC', () => {
    fc.assert(
      fc.property(typedValue, ({ type, value }) => {
        const reply = [...jsonSuccess({ version: '2.0', id: 1 }, type, value)].join('');
        const { result } = JSON.parse(reply) as { result: unknown };
        const call = JSON.stringify({ method: 'm', params: [result], id: 1 });
        const [read] = readJsonCall(call).parameters;
        expect(unmarshal(type, read ?? null, 'p')).toEqual(value);
      }),
      { seed: SEED, numRuns: 500 },
    );
  });

  it('is well-formed XML and JSON whatever its text is', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (text) => {
        const sent = Buffer.from([...xmlSuccess('string', text)].join('')).toString();
        const parser = new SaxesParser();
        parser.on('error', (error) => {
          throw error;
        });
        parser.write(sent).close();
        const json = [...jsonSuccess({ version: '2.0', id: text }, 'string', text)].join('');
        expect(JSON.parse(Buffer.from(json).toString())).toStrictEqual({
          ...{ jsonrpc: '2.0', result: text.toWellFormed(), id: text.toWellFormed() },
        });
      }),
      { seed: SEED, numRuns: 500 },
    );
  });
});

describe('the text of a body', () => {
  it('that is not UTF-8 spoils only the value that the bytes are in', () => {
    const body = Buffer.concat([
      Buffer.from('{"method":"m","params":["good \ufffd","'),
      Buffer.from([0x61, 0xff, 0x62]),
      Buffer.from('"],"id":1}'),
    ]);
    const [, bad] = readJsonCall(textOfBody(body)).parameters;
    expect(() => unmarshal('string', bad ?? '', 'p')).toThrow(/INVALID_VALUE.*a\ufffdb/);
    expect(violationOf(() => readXmlCall(textOfXmlBody(Buffer.from([0x3c, 0xff]))))).toBe(
      'malformed-xml',
    );
  });

  it('may say that it is ISO-8859-1', () => {
    const text =
      '<?xml version="1.0" encoding="iso-8859-1"?><methodCall><methodName>m</methodName><params><param><value>é</value></param></params></methodCall>';
    expect(readXmlCall(textOfXmlBody(Buffer.from(text, 'latin1'))).parameters).toStrictEqual(['é']);
  });

  it('may begin with a byte order mark', () => {
    const bytes = Buffer.concat([Buffer.from([0xef, 0xbb, 0xbf]), JSON_BODY]);
    expect(readJsonCall(textOfBody(bytes)).method).toBe('VDI.create');
    expect(
      readXmlCall(textOfXmlBody(Buffer.concat([Buffer.from([0xef, 0xbb, 0xbf]), XML]))).method,
    ).toBe('VDI.create');
  });
});
