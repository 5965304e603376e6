/** The operational keys of a session (RFC 7143, 13): what we offer, and what comes of the answers. */
import type { TextPair } from '../wire/index.ts';
import { FIRST_BURST_BYTES, MAX_BURST_BYTES, RECEIVE_SEGMENT_BYTES } from './limits.ts';

export interface DigestWishes {
  readonly headerDigest: boolean;
  readonly dataDigest: boolean;
}

/** What both sides agreed on. Lengths in bytes. */
export interface SessionParameters {
  readonly headerDigest: boolean;
  readonly dataDigest: boolean;
  readonly initialR2T: boolean;
  readonly immediateData: boolean;
  /** Longest data segment that the target takes. */
  readonly sendSegment: number;
  /** Longest that it may send. */
  readonly receiveSegment: number;
  readonly firstBurst: number;
  readonly maxBurst: number;
}

const LENGTH_MINIMUM = 512;
const LENGTH_MAXIMUM = 2 ** 24 - 1;
const DEFAULT_SEND_SEGMENT = 8192;

/** A digest that is wished for is insisted on. */
export function offeredKeys(wishes: DigestWishes): readonly TextPair[] {
  return [
    ['HeaderDigest', wishes.headerDigest ? 'CRC32C' : 'None'],
    ['DataDigest', wishes.dataDigest ? 'CRC32C' : 'None'],
    ['ErrorRecoveryLevel', '0'],
    ['MaxConnections', '1'],
    ['InitialR2T', 'No'],
    ['ImmediateData', 'Yes'],
    ['MaxRecvDataSegmentLength', String(RECEIVE_SEGMENT_BYTES)],
    ['FirstBurstLength', String(FIRST_BURST_BYTES)],
    ['MaxBurstLength', String(MAX_BURST_BYTES)],
    ['DefaultTime2Wait', '0'],
    ['DefaultTime2Retain', '0'],
    ['MaxOutstandingR2T', '1'],
    ['DataPDUInOrder', 'Yes'],
    ['DataSequenceInOrder', 'Yes'],
  ];
}

/** Keys that a target declares and that want no answer. */
const DECLARED: ReadonlySet<string> = new Set([
  'TargetAlias',
  'TargetAddress',
  'TargetPortalGroupTag',
  'MaxRecvDataSegmentLength',
]);

/** What we answer to a key that the target brings up itself; undefined: nothing. */
export function answerTo(key: string, offered: ReadonlySet<string>): TextPair | undefined {
  if (offered.has(key) || DECLARED.has(key)) return undefined;
  switch (key) {
    // Obsolete or meaningless here, but known (13.25).
    case 'IFMarker':
    case 'OFMarker':
      return [key, 'No'];
    case 'IFMarkInt':
    case 'OFMarkInt':
      return [key, 'Reject'];
    default:
      return [key, 'NotUnderstood'];
  }
}

/** @returns the parameters, or the key whose answer cannot be accepted */
export function settle(
  wishes: DigestWishes,
  answers: ReadonlyMap<string, string>,
): SessionParameters | string {
  const expected: TextPair[] = [
    ['HeaderDigest', wishes.headerDigest ? 'CRC32C' : 'None'],
    ['DataDigest', wishes.dataDigest ? 'CRC32C' : 'None'],
    ['ErrorRecoveryLevel', '0'],
    ['MaxConnections', '1'],
    ['DataPDUInOrder', 'Yes'],
    ['DataSequenceInOrder', 'Yes'],
  ];
  for (const [key, value] of expected) {
    // No answer leaves the default, which is what we want unless a digest is wanted.
    const answer = answers.get(key) ?? (value === 'CRC32C' ? 'None' : value);
    if (answer !== value) return key;
  }
  const sendSegment = lengthOf(answers, 'MaxRecvDataSegmentLength', DEFAULT_SEND_SEGMENT);
  if (sendSegment === undefined) return 'MaxRecvDataSegmentLength';
  const maxBurst = lengthOf(answers, 'MaxBurstLength', 262_144);
  if (maxBurst === undefined || maxBurst > MAX_BURST_BYTES) return 'MaxBurstLength';
  const firstBurst = lengthOf(answers, 'FirstBurstLength', 65_536);
  if (firstBurst === undefined || firstBurst > FIRST_BURST_BYTES) return 'FirstBurstLength';
  const initialR2T = booleanOf(answers, 'InitialR2T', true);
  if (initialR2T === undefined) return 'InitialR2T';
  const immediateData = booleanOf(answers, 'ImmediateData', true);
  if (immediateData === undefined) return 'ImmediateData';
  return {
    headerDigest: wishes.headerDigest,
    dataDigest: wishes.dataDigest,
    initialR2T,
    immediateData,
    sendSegment,
    receiveSegment: RECEIVE_SEGMENT_BYTES,
    firstBurst: Math.min(firstBurst, maxBurst),
    maxBurst,
  };
}

/** An answer that says nothing leaves the default of the document. */
const SILENT: ReadonlySet<string> = new Set(['Irrelevant', 'NotUnderstood', 'Reject']);

function lengthOf(
  answers: ReadonlyMap<string, string>,
  key: string,
  standard: number,
): number | undefined {
  const text = answers.get(key);
  if (text === undefined || SILENT.has(text)) return standard;
  if (!/^(0[xX][0-9a-fA-F]+|\d+)$/.test(text)) return undefined;
  const value = Number(text);
  return value >= LENGTH_MINIMUM && value <= LENGTH_MAXIMUM ? value : undefined;
}

function booleanOf(
  answers: ReadonlyMap<string, string>,
  key: string,
  standard: boolean,
): boolean | undefined {
  const text = answers.get(key);
  if (text === undefined || SILENT.has(text)) return standard;
  return text === 'Yes' ? true : text === 'No' ? false : undefined;
}
