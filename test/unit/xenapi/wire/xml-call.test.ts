import { describe, expect, it } from 'vitest';
import {
  MAX_CALL_VALUES,
  MAX_METHOD_CHARACTERS,
  MAX_NAME_CHARACTERS,
  MAX_VALUE_DEPTH,
} from '../../../../src/xenapi/wire/limits.ts';
import { WireDateTime, type WireValue } from '../../../../src/xenapi/wire/wire-value.ts';
import { readXmlCall } from '../../../../src/xenapi/wire/xml-call.ts';
import { violationOf } from './violation-of.ts';

const calling = (...values: readonly string[]): string =>
  `<?xml version="1.0"?><methodCall><methodName>a.b</methodName><params>${values
    .map((value) => `<param>${value}</param>`)
    .join('')}</params></methodCall>`;

const wireValueOf = (value: string): WireValue | undefined =>
  readXmlCall(calling(value)).parameters[0];
const refusalOf = (text: string): string | undefined => violationOf(() => readXmlCall(text));

describe('an XML-RPC call', () => {
  it.each<[string, string, WireValue]>([
    ['bare text', '<value>text</value>', 'text'],
    ['an empty element', '<value/>', ''],
    ['an empty value', '<value></value>', ''],
    ['white space, which is text', '<value> \n\t</value>', ' \n\t'],
    ['a string', '<value><string>a b </string></value>', 'a b '],
    ['an empty string', '<value><string/></value>', ''],
    ['entities', '<value>&lt;&gt;&amp;&quot;&apos;&#65;&#x1F600;</value>', '<>&"\'A😀'],
    ['CDATA', '<value>a<![CDATA[<b>&amp;]]>c</value>', 'a<b>&amp;c'],
    ['a comment in the middle', '<value>a<!-- no -->b</value>', 'ab'],
    ['an int', '<value><int>-17</int></value>', -17],
    ['an i4 with a sign', '<value><i4>+17</i4></value>', 17],
    ['the largest i8', '<value><i8>9007199254740991</i8></value>', 2 ** 53 - 1],
    ['a zero with a sign', '<value><int>-0</int></value>', 0],
    ['a double', '<value><double>-1.5e-3</double></value>', -0.0015],
    ['a double without digits before the point', '<value><double>.5</double></value>', 0.5],
    ['a double that looks like an int', '<value><double>3</double></value>', 3],
    ['true', '<value><boolean>1</boolean></value>', true],
    ['false', '<value><boolean>0</boolean></value>', false],
    ['nil', '<value><nil/></value>', null],
    ['nil with an end', '<value><nil></nil></value>', null],
    ['an empty array', '<value><array><data/></array></value>', []],
    ['an array without data', '<value><array/></value>', []],
    ['an empty struct', '<value><struct/></value>', new Map()],
    [
      'an array',
      '<value> <array> <data> <value>1</value> <value> <int>2</int> </value> </data> </array> </value>',
      ['1', 2],
    ],
    [
      'a struct',
      '<value><struct><member><name>k</name><value>v</value></member> <member><name/><value><nil/></value></member></struct></value>',
      new Map<string, WireValue>([
        ['k', 'v'],
        ['', null],
      ]),
    ],
    [
      'names of Apache’s extensions',
      '<value><array><data><value><ex:i8>5</ex:i8></value><value><ex:nil/></value></data></array></value>',
      [5, null],
    ],
    ['attributes, which say nothing', '<value a="1"><int b="&lt;">5</int></value>', 5],
  ])('has %s', (_what, text, expected) => {
    expect(wireValueOf(text)).toStrictEqual(expected);
  });

  it('has a date as it was written', () => {
    const value = wireValueOf(
      '<value><dateTime.iso8601>20261128T10:00:00</dateTime.iso8601></value>',
    );
    expect(value).toStrictEqual(new WireDateTime('20261128T10:00:00'));
  });

  it('keeps names that objects have of their own', () => {
    const text =
      '<value><struct><member><name>__proto__</name><value>p</value></member><member><name>constructor</name><value>c</value></member></struct></value>';
    const value = wireValueOf(text);
    expect(value).toStrictEqual(
      new Map([
        ['__proto__', 'p'],
        ['constructor', 'c'],
      ]),
    );
  });

  it('takes the last of two members of one name', () => {
    const member = (value: string) => `<member><name>k</name><value>${value}</value></member>`;
    const value = wireValueOf(`<value><struct>${member('1')}${member('2')}</struct></value>`);
    expect(value).toStrictEqual(new Map([['k', '2']]));
  });

  it('has its method and its parameters in order, however it is laid out', () => {
    const text = `<?xml version='1.0' encoding="UTF-8"?>
      <!-- from a client -->
      <methodCall xmlns:ex="http://example.org/extensions">
        <methodName>VDI.get_record</methodName>
        <params>
          <param><value>one</value></param>
          <param>
            <value><boolean>1</boolean></value>
          </param>
        </params>
      </methodCall>
    `;
    expect(readXmlCall(text)).toStrictEqual({
      method: 'VDI.get_record',
      parameters: ['one', true],
    });
    expect(readXmlCall(calling()).parameters).toStrictEqual([]);
  });

  it.each<[string, string, string]>([
    ['nothing', '', 'malformed-xml'],
    ['no XML', 'hello', 'malformed-xml'],
    ['an element that does not end', '<methodCall>', 'malformed-xml'],
    ['ends that do not fit', '<methodCall><a></methodCall></a>', 'unexpected-element'],
    ['two documents', `${calling()}${calling()}`, 'malformed-xml'],
    ['text behind it', `${calling()}x`, 'malformed-xml'],
    ['an entity that is not declared', calling('<value>&lol;</value>'), 'malformed-xml'],
    ['a character that XML has not', calling('<value>&#0;</value>'), 'malformed-xml'],
    ['a lone half of a character', calling('<value>\ud800</value>'), 'malformed-xml'],
    ['a reference to half of one', calling('<value>&#xD800;</value>'), 'malformed-xml'],
    ['a raw control character', calling('<value>\u0001</value>'), 'malformed-xml'],
    ['an answer', '<methodResponse/>', 'unexpected-element'],
    ['no method', '<methodCall/>', 'unexpected-element'],
    ['no params', '<methodCall><methodName>m</methodName></methodCall>', 'unexpected-element'],
    [
      'params first',
      '<methodCall><params/><methodName>m</methodName></methodCall>',
      'unexpected-element',
    ],
    [
      'params twice',
      calling().replace('<params></params>', '<params/><params/>'),
      'unexpected-element',
    ],
    ['a param without a value', calling(''), 'unexpected-element'],
    ['a param with two', calling('<value/><value/>'), 'unexpected-element'],
    [
      'a value outside a param',
      calling().replace('<params>', '<params><value/>'),
      'unexpected-element',
    ],
    ['an unknown type', calling('<value><float>1</float></value>'), 'unexpected-element'],
    ['a type in the wrong case', calling('<value><Int>1</Int></value>'), 'unexpected-element'],
    [
      'two types in one value',
      calling('<value><int>1</int><int>2</int></value>'),
      'unexpected-element',
    ],
    ['text before a type', calling('<value>x<int>1</int></value>'), 'unexpected-text'],
    ['text behind a type', calling('<value><int>1</int>x</value>'), 'unexpected-text'],
    ['text between members', calling('<value><struct>x</struct></value>'), 'unexpected-text'],
    ['an element in a number', calling('<value><int>1<b/></int></value>'), 'unexpected-element'],
    ['something in nil', calling('<value><nil><int>1</int></nil></value>'), 'unexpected-element'],
    ['text in nil', calling('<value><nil>x</nil></value>'), 'unexpected-text'],
    ['data twice', calling('<value><array><data/><data/></array></value>'), 'unexpected-element'],
    [
      'a value without data',
      calling('<value><array><value/></array></value>'),
      'unexpected-element',
    ],
    [
      'a member without a value',
      calling('<value><struct><member><name>k</name></member></struct></value>'),
      'unexpected-element',
    ],
    [
      'a member without a name',
      calling('<value><struct><member><value/></member></struct></value>'),
      'unexpected-element',
    ],
    ['base64', calling('<value><base64>AA==</base64></value>'), 'base64'],
    ['an int that is none', calling('<value><int>1x</int></value>'), 'bad-number'],
    ['an int with a fraction', calling('<value><int>1.0</int></value>'), 'bad-number'],
    ['an empty int', calling('<value><int/></value>'), 'bad-number'],
    ['a hexadecimal int', calling('<value><int>0x10</int></value>'), 'bad-number'],
    ['a double that is none', calling('<value><double>nan</double></value>'), 'bad-number'],
    ['an empty double', calling('<value><double/></value>'), 'bad-number'],
    ['a double without end', calling('<value><double>1e999</double></value>'), 'bad-number'],
    [
      'a number of 300,000 digits',
      calling(`<value><int>${'9'.repeat(300_000)}</int></value>`),
      'bad-number',
    ],
    ['a boolean in words', calling('<value><boolean>true</boolean></value>'), 'bad-boolean'],
  ])('is refused: %s', (_what, text, violation) => {
    expect(refusalOf(text)).toBe(violation);
  });

  it('refuses every document type, and expands nothing', () => {
    const bomb = `<?xml version="1.0"?><!DOCTYPE lolz [<!ENTITY a "${'lol'.repeat(100)}">${Array.from(
      { length: 20 },
      (_, index) => `<!ENTITY b${index} "${'&a;'.repeat(10)}">`,
    ).join('')}]><methodCall><methodName>&b19;</methodName><params/></methodCall>`;
    expect(refusalOf(bomb)).toBe('document-type');
    const external = calling('<value>&x;</value>').replace(
      '<methodCall>',
      '<!DOCTYPE m [<!ENTITY x SYSTEM "file:///etc/passwd">]><methodCall>',
    );
    expect(refusalOf(external)).toBe('document-type');
    expect(refusalOf(`<!DOCTYPE methodCall>${calling().slice(21)}`)).toBe('document-type');
  });

  it('limits depth', () => {
    const nested = (depth: number): string =>
      calling(`${'<value><array><data>'.repeat(depth)}${'</data></array></value>'.repeat(depth)}`);
    expect(refusalOf(nested(MAX_VALUE_DEPTH))).toBeUndefined();
    expect(refusalOf(nested(MAX_VALUE_DEPTH + 1))).toBe('too-deep');
    expect(refusalOf(nested(5000))).toBe('too-deep');
    const structs = '<value><struct><member><name>k</name>'.repeat(MAX_VALUE_DEPTH + 1);
    expect(refusalOf(calling(structs))).toBe('too-deep');
  });

  it('limits the number of values', () => {
    const list = (count: number): string =>
      calling(`<value><array><data>${'<value/>'.repeat(count)}</data></array></value>`);
    expect(refusalOf(list(MAX_CALL_VALUES - 1))).toBeUndefined();
    expect(refusalOf(list(MAX_CALL_VALUES))).toBe('too-many-values');
    expect(refusalOf(calling(...Array(MAX_CALL_VALUES + 1).fill('<value/>')))).toBe(
      'too-many-values',
    );
  });

  it('limits names', () => {
    const named = (length: number): string =>
      calling(
        `<value><struct><member><name>${'n'.repeat(length)}</name><value/></member></struct></value>`,
      );
    expect(refusalOf(named(MAX_NAME_CHARACTERS))).toBeUndefined();
    expect(refusalOf(named(MAX_NAME_CHARACTERS + 1))).toBe('name-too-long');
    const method = (length: number): string => calling().replace('a.b', 'm'.repeat(length));
    expect(refusalOf(method(MAX_METHOD_CHARACTERS))).toBeUndefined();
    expect(refusalOf(method(MAX_METHOD_CHARACTERS + 1))).toBe('name-too-long');
  });
});
