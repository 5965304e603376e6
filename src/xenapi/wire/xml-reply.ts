/**
 * Writes XML-RPC as xapi does (ocaml-rpc xmlrpc.ml): strings without a tag; so are integers, which have 64 bits;
 * failures are no faults, but structs too.
 */
import { type ApiType, set } from '../datamodel/description.ts';
import { dateTimeText } from './date-time.ts';
import { Writer } from './notation.ts';
import { doubleText } from './number-text.ts';
import {
  booleanOf,
  checkVoid,
  dateTimeOf,
  integerOf,
  numberOf,
  stringOf,
} from './scalar-checks.ts';

const VALUE = '<value>';
const END = '</value>';

const SPECIAL = /[<>&"\p{Cc}\ufffe\uffff]/u;
const ALL_SPECIAL = /[<>&"\p{Cc}\ufffe\uffff]/gu;
const ENTITIES: ReadonlyMap<string, string> = new Map([
  ['<', '&lt;'],
  ['>', '&gt;'],
  ['&', '&amp;'],
  ['"', '&quot;'],
]);

function escaped(text: string): string {
  return SPECIAL.test(text) ? text.replace(ALL_SPECIAL, escapedCharacter) : text;
}

/** What XML cannot hold is left out; a parser reads a carriage return as a line feed (XML 1.0 §2.11). */
function escapedCharacter(character: string): string {
  const entity = ENTITIES.get(character);
  if (entity !== undefined) return entity;
  const isKept = /[\t\n\r\u007f-\u009f]/.test(character);
  return isKept ? character : '';
}

const XML = new Writer({
  scalars: {
    string: (value) => VALUE + escaped(stringOf(value)) + END,
    int: (value) => VALUE + integerOf(value) + END,
    int32: (value) => `<value><i4>${integerOf(value)}</i4></value>`,
    float: (value) => `<value><double>${doubleText(numberOf(value))}</double></value>`,
    bool: (value) => `<value><boolean>${booleanOf(value) ? '1' : '0'}</boolean></value>`,
    datetime: (value) =>
      `<value><dateTime.iso8601>${dateTimeText(dateTimeOf(value))}</dateTime.iso8601></value>`,
    void: (value) => {
      checkVoid(value);
      return VALUE + END;
    },
  },
  none: '<value><nil/></value>',
  array: { open: '<value><array><data>', between: '', close: '</data></array></value>' },
  struct: {
    open: '<value><struct>',
    between: '',
    close: '</struct></value>',
    member: (name) => `<member><name>${escaped(name)}</name>`,
    afterMember: '</member>',
  },
});

const RESPONSE = '<?xml version="1.0"?><methodResponse><params><param>';
const RESPONSE_END = '</param></params></methodResponse>';
const SUCCESS =
  '<value><struct><member><name>Status</name><value>Success</value></member><member><name>Value</name>';
const FAILURE =
  '<value><struct><member><name>Status</name><value>Failure</value></member><member><name>ErrorDescription</name>';
const STRUCT_END = '</member></struct></value>';

/**
 * @returns the parts of the reply, in order; the value must stay as it is until the last is taken
 * @throws TypeError (so do the parts) when the value is not of the type
 */
export function* xmlSuccess(type: ApiType, value: unknown): Generator<string, void> {
  yield RESPONSE + SUCCESS;
  yield* XML.parts(type, value);
  yield STRUCT_END + RESPONSE_END;
}

/** The value alone, without a status: what `system.listMethods` is answered with (xapi api_server.ml). */
export function* xmlBare(type: ApiType, value: unknown): Generator<string, void> {
  yield RESPONSE;
  yield* XML.parts(type, value);
  yield RESPONSE_END;
}

const DESCRIPTION = set('string');

/** @param description code first */
export function xmlFailure(description: readonly string[]): string {
  const texts = XML.write(DESCRIPTION, description);
  return RESPONSE + FAILURE + texts + STRUCT_END + RESPONSE_END;
}

/** What a finished task's `result` holds, whatever the client speaks (xapi taskHelper.ml): `<value>…</value>`. */
export function xmlValueText(type: ApiType, value: unknown): string {
  return type === 'void' ? '' : XML.write(type, value);
}
