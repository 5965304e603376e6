/** Writes JSON-RPC as xapi does (ocaml-rpc jsonrpc.ml), in both versions. */
import { type ApiType, set } from '../datamodel/description.ts';
import { dateTimeText } from './date-time.ts';
import type { JsonId, JsonVersion } from './json-call.ts';
import { Writer } from './notation.ts';
import {
  booleanOf,
  checkVoid,
  dateTimeOf,
  integerOf,
  numberOf,
  stringOf,
} from './scalar-checks.ts';

const quoted = (text: string): string => JSON.stringify(text.toWellFormed());

/** Beyond it JavaScript writes an exponent itself. */
const PLAIN_NUMBERS = 1e21;

/** A float has a point or an exponent, as yojson writes it. JSON has no infinity. */
function floatText(value: number): string {
  if (!Number.isFinite(value)) return 'null';
  if (Object.is(value, -0)) return '-0.0';
  const isPlain = Number.isInteger(value) && Math.abs(value) < PLAIN_NUMBERS;
  return isPlain ? `${value}.0` : String(value);
}

const JSON_NOTATION = new Writer({
  scalars: {
    string: (value) => quoted(stringOf(value)),
    int: (value) => String(integerOf(value)),
    int32: (value) => String(integerOf(value)),
    float: (value) => floatText(numberOf(value)),
    bool: (value) => String(booleanOf(value)),
    datetime: (value) => `"${dateTimeText(dateTimeOf(value))}"`,
    void: (value) => {
      checkVoid(value);
      return '""';
    },
  },
  none: 'null',
  array: { open: '[', between: ',', close: ']' },
  struct: {
    open: '{',
    between: ',',
    close: '}',
    member: (name) => `${quoted(name)}:`,
    afterMember: '',
  },
});

/** Of the call that is answered. */
export interface JsonReplyTo {
  readonly version: JsonVersion;
  readonly id: JsonId;
}

/**
 * @returns the parts of the reply, in order; the value must stay as it is until the last is taken
 * @throws TypeError (so do the parts) when the value is not of the type
 */
export function* jsonSuccess(
  { version, id }: JsonReplyTo,
  type: ApiType,
  value: unknown,
): Generator<string, void> {
  yield version === '2.0' ? '{"jsonrpc":"2.0","result":' : '{"result":';
  yield* JSON_NOTATION.parts(type, value);
  yield `${version === '2.0' ? '' : ',"error":null'},"id":${idText(id)}}`;
}

const TEXTS = set('string');

/** Version 2.0 always says that the error's number is this. */
const ERROR_NUMBER = 1;

/** @param description code first */
export function jsonFailure({ version, id }: JsonReplyTo, description: readonly string[]): string {
  if (version === '1.0') {
    const texts = JSON_NOTATION.write(TEXTS, description);
    return `{"result":null,"error":${texts},"id":${idText(id)}}`;
  }
  const [code = '', ...parameters] = description;
  const data = JSON_NOTATION.write(TEXTS, parameters);
  const error = `{"code":${ERROR_NUMBER},"message":${quoted(code)},"data":${data}}`;
  return `{"jsonrpc":"2.0","error":${error},"id":${idText(id)}}`;
}

function idText(id: JsonId): string {
  return typeof id === 'number' ? String(id) : quoted(id);
}
