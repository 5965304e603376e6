/**
 * Reads a JSON-RPC call, version 1.0 or 2.0 (ocaml-rpc jsonrpc.ml). Depth and number of values are counted in the
 * text before it is parsed.
 */
import {
  MAX_CALL_VALUES,
  MAX_METHOD_CHARACTERS,
  MAX_NAME_CHARACTERS,
  MAX_VALUE_DEPTH,
} from './limits.ts';
import type { RpcCall, WireStruct, WireValue } from './wire-value.ts';
import { WireViolation } from './wire-violation.ts';

export interface JsonCall extends RpcCall {
  readonly version: JsonVersion;
  readonly id: JsonId;
}

export type JsonVersion = '1.0' | '2.0';

/** As the client chose it; a number is a safe integer. */
export type JsonId = string | number;

/** The call itself, and the array of its parameters. */
const ENVELOPE_DEPTH = 2;
/** method, params, id, jsonrpc, and two for each that a client may add (`error`, `result` …). */
const ENVELOPE_VALUES = 20;

/** @throws WireViolation, and nothing else */
export function readJsonCall(text: string): JsonCall {
  checkExtent(text);
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch {
    // What JSON.parse says repeats a part of the text.
    throw new WireViolation('malformed-json', 'the body is not JSON');
  }
  const call = wireValue(parsed);
  if (Array.isArray(call)) throw new WireViolation('batch', 'batches are not accepted');
  if (!(call instanceof Map)) throw noCall('the body is not an object');
  return callOf(call);
}

function noCall(message: string): WireViolation {
  return new WireViolation('no-call', message);
}

function callOf(call: WireStruct): JsonCall {
  const method = call.get('method');
  if (typeof method !== 'string') throw noCall('method is not a string');
  if (method.length > MAX_METHOD_CHARACTERS) {
    const message = `method is longer than ${MAX_METHOD_CHARACTERS} characters`;
    throw new WireViolation('name-too-long', message);
  }
  const version = versionOf(call.get('jsonrpc'));
  const parameters = parametersOf(version, call.get('params'));
  return { version, id: idOf(call.get('id')), method, parameters };
}

function versionOf(jsonrpc: WireValue | undefined): JsonVersion {
  if (jsonrpc === undefined) return '1.0';
  if (jsonrpc === '2.0') return '2.0';
  throw noCall('jsonrpc is not "2.0"');
}

/** Version 2.0 may leave them out; an object is one parameter. */
function parametersOf(version: JsonVersion, params: WireValue | undefined): readonly WireValue[] {
  if (Array.isArray(params)) return params;
  if (version === '2.0') {
    if (params === undefined || params === null) return [];
    if (params instanceof Map) return [params];
  }
  throw noCall('params is not an array');
}

function idOf(id: WireValue | undefined): JsonId {
  if (id === undefined || id === null) {
    throw new WireViolation('notification', 'a call has an id: notifications are not accepted');
  }
  if (typeof id === 'string' || (typeof id === 'number' && Number.isSafeInteger(id))) return id;
  throw noCall('id is neither a string nor an integer of less than 2^53');
}

function wireValue(parsed: unknown): WireValue {
  switch (typeof parsed) {
    case 'string':
    case 'boolean':
      return parsed;
    case 'number':
      if (Number.isFinite(parsed)) return parsed;
      throw new WireViolation('bad-number', 'a number is too large');
    default:
      if (parsed === null) return null;
      return Array.isArray(parsed) ? parsed.map(wireValue) : structOf(Object(parsed));
  }
}

function structOf(parsed: object): WireStruct {
  const members = new Map<string, WireValue>();
  for (const [name, value] of Object.entries(parsed)) {
    if (name.length > MAX_NAME_CHARACTERS) {
      const message = `a name is longer than ${MAX_NAME_CHARACTERS} characters`;
      throw new WireViolation('name-too-long', message);
    }
    members.set(name, wireValue(value));
  }
  return members;
}

/** Counts what begins an array or an object, and commas: of text that is JSON at least half of its values. */
function checkExtent(text: string): void {
  let depth = 0;
  let values = 0;
  for (let at = 0; at < text.length; at++) {
    switch (text[at]) {
      case '"':
        at = endOfString(text, at);
        break;
      case '[':
      case '{':
        depth++;
        values++;
        break;
      case ']':
      case '}':
        depth--;
        break;
      case ',':
        values++;
        break;
    }
    if (depth > MAX_VALUE_DEPTH + ENVELOPE_DEPTH) {
      const message = `arrays and objects nest at most ${MAX_VALUE_DEPTH} deep`;
      throw new WireViolation('too-deep', message);
    }
    if (values > MAX_CALL_VALUES + ENVELOPE_VALUES) {
      throw new WireViolation('too-many-values', `a call has at most ${MAX_CALL_VALUES} values`);
    }
  }
}

/** Where the quote is that ends it; the end of the text when there is none. */
function endOfString(text: string, start: number): number {
  let at = start + 1;
  while (at < text.length && text[at] !== '"') at += text[at] === '\\' ? 2 : 1;
  return at;
}
