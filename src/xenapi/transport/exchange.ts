/** A call, and how it is answered: the two wires behind one face. */
import type { ApiType } from '../datamodel/description.ts';
import { textOfBody, textOfXmlBody } from '../wire/body-text.ts';
import { readJsonCall } from '../wire/json-call.ts';
import { jsonFailure, jsonSuccess } from '../wire/json-reply.ts';
import type { RpcCall } from '../wire/wire-value.ts';
import { readXmlCall } from '../wire/xml-call.ts';
import { xmlBare, xmlFailure, xmlSuccess } from '../wire/xml-reply.ts';

export interface Exchange {
  readonly call: RpcCall;
  /** As clients compare it: no charset. */
  readonly contentType: string;
  /** Parts of the reply. @throws TypeError (so do the parts) when the value is not of the type */
  success(type: ApiType, value: unknown): Generator<string, void>;
  /** @param description code first */
  failure(description: readonly string[]): string;
}

/** @throws WireViolation */
export type ReadExchange = (body: Uint8Array) => Exchange;

/** The one method whose answer has no status. */
const LIST_METHODS = 'system.listMethods';

export const readXmlExchange: ReadExchange = (body) => {
  const call = readXmlCall(textOfXmlBody(body));
  return {
    call,
    contentType: 'text/xml',
    success: call.method === LIST_METHODS ? xmlBare : xmlSuccess,
    failure: xmlFailure,
  };
};

export const readJsonExchange: ReadExchange = (body) => {
  const call = readJsonCall(textOfBody(body));
  return {
    call,
    contentType: 'application/json',
    success: (type, value) => jsonSuccess(call, type, value),
    failure: (description) => jsonFailure(call, description),
  };
};
