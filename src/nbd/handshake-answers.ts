/**
 * What the handshake answers once the export provider has spoken. Pure; the questions are the
 * effects of handshake.ts.
 */

import { Fault, type FaultCode } from '../errors/index.ts';
import type { ExportSummary, OpenExport } from '../exports/index.ts';
import type { SelectedContexts } from './handshake.ts';
import type { NbdLimits } from './limits.ts';
import {
  BASE_ALLOCATION,
  DEFAULT_MINIMUM_BLOCK,
  NBD_INFO_BLOCK_SIZE,
  NBD_INFO_DESCRIPTION,
  NBD_INFO_NAME,
} from './wire/constants.ts';
import { type BlockSizes, encodeOptionReply, type OptionError } from './wire/index.ts';
import { MAX_STRING } from './wire/limits.ts';

/** The context with id 1, which every export has. Those of its own follow: 2, 3 and so on. */
export const BASE_ALLOCATION_ID = 1;

/** The metadata contexts of an export; the id of each is its place, counted from 1. */
function contextNames(opened: OpenExport): readonly string[] {
  return [BASE_ALLOCATION, ...(opened.contexts ?? []).map(({ name }) => name)];
}

/** How a failure to list or open is told to the client. Total: a new code must be mapped here. */
const OPTION_ERROR: Readonly<Record<FaultCode, OptionError>> = {
  INVALID_INPUT: 'unknown-export',
  UNAUTHORIZED: 'policy',
  NOT_FOUND: 'unknown-export',
  ALREADY_EXISTS: 'unknown-export',
  IN_USE: 'policy',
  EXPORT_NOT_FOUND: 'unknown-export',
  IMAGE_INVALID: 'unknown-export',
  IMAGE_UNSUPPORTED: 'unknown-export',
  BACKING_FILE_MISSING: 'unknown-export',
  NO_SPACE: 'unknown-export',
  TOOL_MISSING: 'platform',
  UNSUPPORTED: 'unknown-export',
  UNREACHABLE: 'shutdown',
  HOOK_FAILED: 'policy',
  ADDRESS_IN_USE: 'unknown-export',
  PERMISSION_DENIED: 'policy',
  CANCELLED: 'unknown-export',
  LIMIT_EXCEEDED: 'policy',
  UNAVAILABLE: 'shutdown',
  INTERNAL: 'unknown-export',
};

/** A refusal for the client. Only a Fault speaks to it: other errors may name paths of ours. */
export function answerFailure(code: number, failure: unknown): Buffer {
  const error = failure instanceof Fault ? OPTION_ERROR[failure.code] : 'unknown-export';
  const message = failure instanceof Fault ? failure.message : 'the export is not available';
  return encodeOptionReply(code, { name: 'error', error, message });
}

export function answerList(code: number, exports: readonly ExportSummary[]): Buffer {
  const replies = exports
    // A name that no client could ask for again must not break the list for all.
    .filter(({ name }) => Buffer.byteLength(name) <= MAX_STRING && !name.includes('\0'))
    .map(({ name, description }) =>
      encodeOptionReply(code, { name: 'server', exportName: name, description }),
    );
  return Buffer.concat([...replies, encodeOptionReply(code, { name: 'ack' })]);
}

export function blockSizes(opened: OpenExport, limits: NbdLimits): BlockSizes {
  const { minimumIo, preferredIo } = opened.device.geometry;
  return {
    minimum: minimumIo,
    // "at least as large as the maximum of the minimum block size and 2^9"
    preferred: Math.max(preferredIo, minimumIo, 512),
    maximumPayload: Math.max(limits.advertisedPayload, preferredIo),
  };
}

/** The replies to INFO and GO: the export always, the rest when asked for. */
export function answerDescribe(
  code: number,
  opened: OpenExport,
  transmissionFlags: number,
  infos: readonly number[],
  limits: NbdLimits,
): Buffer {
  const exportSize = opened.device.geometry.size;
  const sizes = blockSizes(opened, limits);
  const replies = [
    encodeOptionReply(code, { name: 'info-export', exportSize, flags: transmissionFlags }),
  ];
  if (infos.includes(NBD_INFO_NAME)) {
    replies.push(encodeOptionReply(code, { name: 'info-name', exportName: opened.name }));
  }
  if (infos.includes(NBD_INFO_DESCRIPTION)) {
    const { description } = opened;
    replies.push(encodeOptionReply(code, { name: 'info-description', description }));
  }
  // "A server with size constraints other than the default SHOULD advertise the size constraints"
  if (infos.includes(NBD_INFO_BLOCK_SIZE) || sizes.minimum > DEFAULT_MINIMUM_BLOCK) {
    replies.push(encodeOptionReply(code, { name: 'info-block-size', sizes }));
  }
  replies.push(encodeOptionReply(code, { name: 'ack' }));
  return Buffer.concat(replies);
}

/**
 * Whether a query finds a context. A list knows wildcards: `base:` by the document, and likewise
 * every other prefix that ends with a colon (`qemu:`, `qemu:dirty-bitmap:`).
 */
function finds(query: string, context: string, select: boolean): boolean {
  return query === context || (!select && query.endsWith(':') && context.startsWith(query));
}

export interface ContextAnswer {
  readonly reply: Buffer;
  readonly selected: SelectedContexts | undefined;
}

/** @param exportName as the client named the export */
export function answerContexts(
  code: number,
  opened: OpenExport,
  exportName: string,
  queries: readonly string[],
  select: boolean,
): ContextAnswer {
  const all = !select && queries.length === 0;
  const found = contextNames(opened)
    .map((context, index) => ({ context, id: index + 1 }))
    .filter(({ context }) => all || queries.some((query) => finds(query, context, select)));
  const replies = found.map(({ context, id }) =>
    // In a list the id is "reserved and SHOULD be set to zero".
    encodeOptionReply(code, { name: 'meta-context', id: select ? id : 0, context }),
  );
  const reply = Buffer.concat([...replies, encodeOptionReply(code, { name: 'ack' })]);
  const ids = found.map(({ id }) => id);
  return { reply, selected: select && ids.length > 0 ? { exportName, ids } : undefined };
}
