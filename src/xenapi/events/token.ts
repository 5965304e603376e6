/**
 * What a client knows: two numbers of 20 digits, so that tokens compare as texts (xen-api xapi_event.ml). The first is
 * the generation; the second was of messages, which are objects like others here, and is 0.
 */
import { xenError } from '../xen-error.ts';

const DIGITS = 20;
const FORMAT = /^(\d{1,20}),(\d{1,20})$/;

/** @param generation a safe integer */
export function tokenOf(generation: number): string {
  return `${String(generation).padStart(DIGITS, '0')},${'0'.repeat(DIGITS)}`;
}

/** @returns 0 for the empty one: it knows nothing. @throws XenError EVENT_FROM_TOKEN_PARSE_FAILURE */
export function generationIn(token: string): number {
  if (token === '') return 0;
  const [, generation] = FORMAT.exec(token) ?? [];
  if (generation === undefined) throw xenError('EVENT_FROM_TOKEN_PARSE_FAILURE', token);
  return Number(generation);
}
