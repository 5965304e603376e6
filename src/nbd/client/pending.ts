/**
 * One request that waits for its reply: what may still arrive for it, and what it has come to.
 * Everything here is about one request; a violation is returned, and the connection acts on it.
 */
import { BlockError, type BlockOperation } from '../../errors/index.ts';
import { NBD_CMD_FLAG_DF, NBD_CMD_FLAG_REQ_ONE, NBD_CMD_READ } from '../wire/constants.ts';
import { type Chunk, errnoOfNbdError, type StatusExtent } from '../wire/index.ts';
import { Coverage } from './coverage.ts';
import type { ServerViolation } from './violation.ts';

export type BlockStatus = ReadonlyMap<number, readonly StatusExtent[]>;

/** A request before it is sent. */
export interface Command {
  readonly operation: BlockOperation;
  readonly type: number;
  readonly flags: number;
  readonly offset: number;
  readonly length: number;
  /** Where the data of a read goes. */
  readonly target: Buffer | undefined;
  /** What follows the header. */
  readonly payload: Buffer | undefined;
  /** Contexts that a block status must answer. */
  readonly contexts: readonly number[] | undefined;
}

export class Pending {
  readonly command: Command;
  readonly #resolve: (status: BlockStatus | undefined) => void;
  readonly #reject: (error: BlockError) => void;
  /** Made when a reply comes in more than one piece. */
  #coverage: Coverage | undefined;
  #complete = false;
  #contentChunks = 0;
  #status: Map<number, readonly StatusExtent[]> | undefined;
  #error: BlockError | undefined;
  /**
   * The socket still holds the payload. A server may answer before it has read all of it; the caller's
   * buffer is not free until both.
   */
  #sending: boolean;
  #settle: (() => void) | undefined;

  constructor(
    command: Command,
    resolve: (status: BlockStatus | undefined) => void,
    reject: (error: BlockError) => void,
  ) {
    this.command = command;
    this.#resolve = resolve;
    this.#reject = reject;
    this.#sending = command.payload !== undefined;
  }

  /** Takes a piece of content; the range is in bytes of the export. */
  content(offset: number, length: number): ServerViolation | undefined {
    const { command } = this;
    if (command.type !== NBD_CMD_READ) return 'chunk-unexpected';
    const start = offset - command.offset;
    if (start < 0 || start + length > command.length) return 'chunk-outside-request';
    this.#contentChunks += 1;
    if (this.#contentChunks > 1 && (command.flags & NBD_CMD_FLAG_DF) !== 0) {
      return 'chunk-fragmented';
    }
    if (this.#contentChunks === 1 && length === command.length) {
      this.#complete = true;
      return undefined;
    }
    if (this.#complete) return 'chunk-overlap';
    this.#coverage ??= new Coverage();
    return this.#coverage.add(start, start + length) ? undefined : 'chunk-overlap';
  }

  /** Takes a chunk that has no data behind it. */
  chunk(
    chunk: Exclude<Chunk, { kind: 'offset-data' }>,
    done: boolean,
  ): ServerViolation | undefined {
    switch (chunk.kind) {
      case 'none':
        return done ? undefined : 'none-without-done';
      case 'offset-hole': {
        const violation = this.content(chunk.offset, chunk.length);
        const start = chunk.offset - this.command.offset;
        if (violation === undefined) this.command.target?.fill(0, start, start + chunk.length);
        return violation;
      }
      case 'block-status':
        return this.#takeStatus(chunk.contextId, chunk.extents);
      case 'error': {
        const { offset, length } = this.command;
        const at = chunk.offset;
        if (at !== undefined && (at < offset || at >= offset + length)) {
          return 'chunk-outside-request';
        }
        this.fail(chunk.error, chunk.message);
        return undefined;
      }
    }
  }

  #takeStatus(id: number, extents: readonly StatusExtent[]): ServerViolation | undefined {
    const { contexts, flags, length } = this.command;
    if (contexts === undefined) return 'chunk-unexpected';
    this.#status ??= new Map();
    if (!contexts.includes(id) || this.#status.has(id)) return 'status-context';
    let sum = 0;
    for (const extent of extents) {
      // "the sum of the length fields of the first N-1 extents MUST be less than the requested length"
      if (sum > 0 && sum >= length) return 'status-extents';
      sum += extent.length;
    }
    const one = (flags & NBD_CMD_FLAG_REQ_ONE) !== 0;
    if (one && (extents.length !== 1 || sum > length)) return 'status-extents';
    this.#status.set(id, extents);
    return undefined;
  }

  /** The server reported an error; the first one stands. */
  fail(error: number, message: string): void {
    const { operation, offset, length } = this.command;
    const detail = message === '' ? `the NBD server answered error ${error}` : message;
    this.#error ??= new BlockError(errnoOfNbdError(error), operation, offset, length, detail);
  }

  /** The reply is complete: settles the request, or says what is missing of it. */
  finish(): ServerViolation | undefined {
    if (this.#error !== undefined) {
      const error = this.#error;
      if (this.#sending) this.#settle = () => this.#reject(error);
      else this.#reject(error);
      return undefined;
    }
    const { type, length, contexts } = this.command;
    if (type === NBD_CMD_READ && !this.#complete && this.#coverage?.covers(length) !== true) {
      return 'read-incomplete';
    }
    if (contexts !== undefined && this.#status?.size !== contexts.length) return 'status-missing';
    if (this.#sending) this.#settle = () => this.#resolve(this.#status);
    else this.#resolve(this.#status);
    return undefined;
  }

  get error(): BlockError | undefined {
    return this.#error;
  }

  /** The connection is gone: nothing more will be sent or received. */
  abandon(error: BlockError): void {
    this.#reject(error);
  }

  /** The socket has let go of the payload. */
  sent(): void {
    this.#sending = false;
    this.#settle?.();
  }
}
