/**
 * One read transfer, from request to last acknowledgement: a state machine that knows neither socket
 * nor clock. Each call gives the packets to send now; `deadline` says when to call `timeout`.
 *
 * Blocks are counted without end and roll over only on the wire (65535 → 0), so files larger than
 * 65535 blocks work. An acknowledgement moves the window up to the block that it names; an old or
 * repeated one sends nothing, else every duplicate on the network would double all later packets
 * (the sorcerer's apprentice, RFC 1123 §4.2.3.1). Only a timeout sends a window again.
 */
import { MAX_TFTP_RETRIES, TFTP_FIRST_TIMEOUT_MS, TFTP_LAST_TIMEOUT_MS } from '../limits.ts';
import type { TransferOptions } from './negotiate.ts';
import {
  encodeData,
  encodeError,
  encodeOptionAck,
  TFTP_ERROR,
  type TftpPacket,
} from './wire/packet.ts';

export type TransferOutcome =
  | { readonly kind: 'complete' }
  /** The client aborted before it took any data: it wanted to know the size, as UEFI always does. */
  | { readonly kind: 'probed' }
  /** The client sent an error. */
  | { readonly kind: 'aborted'; readonly reason: string }
  | { readonly kind: 'failed'; readonly reason: string };

type State =
  /** The option acknowledgement is out; ACK 0 starts the data. */
  | { readonly kind: 'offering' }
  /** Blocks `acknowledged + 1` up to `sent` are in flight. */
  | { readonly kind: 'sending'; readonly acknowledged: number; readonly sent: number }
  | { readonly kind: 'ended'; readonly outcome: TransferOutcome };

export class Transfer {
  readonly #content: Buffer;
  readonly #options: TransferOptions;
  /** The last block is shorter than a block, so there is always one more than full ones. */
  readonly #lastBlock: number;
  #state: State;
  #retries = 0;
  #deadline: number;

  constructor(content: Buffer, options: TransferOptions, now: number) {
    this.#content = content;
    this.#options = options;
    this.#lastBlock = Math.floor(content.length / options.blockBytes) + 1;
    this.#state =
      options.granted.size > 0
        ? { kind: 'offering' }
        : { kind: 'sending', acknowledged: 0, sent: this.#windowEnd(0) };
    this.#deadline = now + this.#patience();
  }

  /** The first packets. */
  start(): readonly Buffer[] {
    return this.#inFlight();
  }

  get outcome(): TransferOutcome | undefined {
    return this.#state.kind === 'ended' ? this.#state.outcome : undefined;
  }

  /** Milliseconds on the caller's clock; meaningless once there is an outcome. */
  get deadline(): number {
    return this.#deadline;
  }

  receive(packet: TftpPacket, now: number): readonly Buffer[] {
    if (this.#state.kind === 'ended') return [];
    switch (packet.kind) {
      case 'ack':
        return this.#acknowledged(packet.block, now);
      case 'error':
        this.#end(
          this.#state.kind === 'offering' && packet.code === TFTP_ERROR.OPTIONS_REFUSED
            ? { kind: 'probed' }
            : { kind: 'aborted', reason: `client: ${packet.code} ${packet.message}`.trimEnd() },
        );
        return [];
      case 'read':
      case 'write':
      case 'data':
      case 'option-ack':
        this.#end({ kind: 'failed', reason: `the client sent ${packet.kind} in a transfer` });
        return [encodeError(TFTP_ERROR.ILLEGAL_OPERATION, 'unexpected packet')];
    }
  }

  /** The deadline passed: the same window again, less and less often, then never. */
  timeout(now: number): readonly Buffer[] {
    if (this.#state.kind === 'ended' || now < this.#deadline) return [];
    if (this.#retries === MAX_TFTP_RETRIES) {
      this.#end({ kind: 'failed', reason: 'the client stopped answering' });
      return [encodeError(TFTP_ERROR.NOT_DEFINED, 'timeout')];
    }
    this.#retries += 1;
    this.#deadline = now + this.#patience();
    return this.#inFlight();
  }

  #acknowledged(wireBlock: number, now: number): readonly Buffer[] {
    const state = this.#state;
    if (state.kind === 'ended') return [];
    if (state.kind === 'offering') {
      return wireBlock === 0 ? this.#advance(0, now) : [];
    }
    const steps = (wireBlock - state.acknowledged) & 0xffff;
    if (steps === 0 || steps > state.sent - state.acknowledged) return [];
    return this.#advance(state.acknowledged + steps, now);
  }

  #advance(acknowledged: number, now: number): readonly Buffer[] {
    if (acknowledged === this.#lastBlock) {
      this.#end({ kind: 'complete' });
      return [];
    }
    this.#state = { kind: 'sending', acknowledged, sent: this.#windowEnd(acknowledged) };
    this.#retries = 0;
    this.#deadline = now + this.#patience();
    return this.#inFlight();
  }

  #windowEnd(acknowledged: number): number {
    return Math.min(acknowledged + this.#options.windowBlocks, this.#lastBlock);
  }

  #inFlight(): readonly Buffer[] {
    const state = this.#state;
    switch (state.kind) {
      case 'offering':
        return [encodeOptionAck(this.#options.granted)];
      case 'sending': {
        const packets: Buffer[] = [];
        for (let block = state.acknowledged + 1; block <= state.sent; block++) {
          packets.push(encodeData(block, this.#block(block)));
        }
        return packets;
      }
      case 'ended':
        return [];
    }
  }

  #block(block: number): Buffer {
    const { blockBytes } = this.#options;
    return this.#content.subarray((block - 1) * blockBytes, block * blockBytes);
  }

  #patience(): number {
    const { fixedTimeoutMs } = this.#options;
    if (fixedTimeoutMs !== undefined) return fixedTimeoutMs;
    return Math.min(TFTP_FIRST_TIMEOUT_MS * 2 ** this.#retries, TFTP_LAST_TIMEOUT_MS);
  }

  #end(outcome: TransferOutcome): void {
    this.#state = { kind: 'ended', outcome };
  }
}
