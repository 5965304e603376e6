/** Options of a read request (RFC 2348, 2349, 7440): what we grant. What we do not know is left out. */
import {
  DEFAULT_TFTP_BLOCK_BYTES,
  MAX_TFTP_BLOCK_BYTES,
  MAX_TFTP_WINDOW_BLOCKS,
  MAX_TFTP_WINDOW_BYTES,
  MIN_TFTP_BLOCK_BYTES,
} from '../limits.ts';

export interface TransferOptions {
  readonly blockBytes: number;
  readonly windowBlocks: number;
  /** Set by the client's `timeout`; undefined: our own, growing one. */
  readonly fixedTimeoutMs: number | undefined;
  /** What the option acknowledgement says; empty: none is sent, the first block is the answer. */
  readonly granted: ReadonlyMap<string, string>;
}

export function negotiate(
  asked: ReadonlyMap<string, string>,
  contentBytes: number,
): TransferOptions {
  const granted = new Map<string, string>();
  const block = decimal(asked.get('blksize'));
  let blockBytes = DEFAULT_TFTP_BLOCK_BYTES;
  if (block !== undefined && block >= MIN_TFTP_BLOCK_BYTES) {
    blockBytes = Math.min(block, MAX_TFTP_BLOCK_BYTES);
    granted.set('blksize', String(blockBytes));
  }
  // RFC 2349: a read request sends 0, the answer is the size.
  if (decimal(asked.get('tsize')) !== undefined) granted.set('tsize', String(contentBytes));
  const timeout = decimal(asked.get('timeout'));
  let fixedTimeoutMs: number | undefined;
  if (timeout !== undefined && timeout >= 1 && timeout <= 255) {
    fixedTimeoutMs = timeout * 1000;
    granted.set('timeout', String(timeout)); // must be the same value, RFC 2349
  }
  const window = decimal(asked.get('windowsize'));
  let windowBlocks = 1;
  if (window !== undefined && window >= 1 && window <= 65_535) {
    const affordable = Math.max(1, Math.floor(MAX_TFTP_WINDOW_BYTES / blockBytes));
    windowBlocks = Math.min(window, MAX_TFTP_WINDOW_BLOCKS, affordable);
    granted.set('windowsize', String(windowBlocks));
  }
  return { blockBytes, windowBlocks, fixedTimeoutMs, granted };
}

function decimal(text: string | undefined): number | undefined {
  return text !== undefined && /^\d{1,10}$/.test(text) ? Number(text) : undefined;
}
