/** One call, from its encoding to its results. The client keeps it until it is answered, to send it again if need be. */
import { RECORD_BYTES } from '../wire/limits.ts';
import type { XdrReader } from '../wire/xdr.ts';
import type { RpcFailure } from './failure.ts';

export abstract class RpcCall {
  xid = 0;
  /** Milliseconds of the client's clock after which it fails. */
  deadline = 0;
  /** Bytes of it may have reached the server. */
  sent = false;
  /** May be sent again when a connection breaks behind it. */
  readonly repeatable: boolean;

  constructor(repeatable: boolean) {
    this.repeatable = repeatable;
  }

  /** Bytes of the frame, at most. */
  abstract get frameBytes(): number;
  /** Memory of its own for the frame; undefined: the connection has some. */
  get frame(): { readonly buffer: Buffer; readonly at: number } | undefined {
    return undefined;
  }
  /** Writes the frame, its seal included. @returns where it ends */
  abstract encode(target: Buffer, at: number): number;
  /** Sent behind the frame from where it is. */
  get trailer(): Buffer | undefined {
    return undefined;
  }

  /** Bytes of the whole reply. */
  get replyBytes(): number {
    return RECORD_BYTES;
  }
  /** Where the data behind the results goes; undefined: there is none. */
  get target(): Buffer | undefined {
    return undefined;
  }
  /**
   * Reads the results; with a target, up to the data.
   * @returns bytes of data that follow, or -1 when the results make no sense
   */
  abstract results(reader: XdrReader): number;
  /** The results were read, and the data is in the target. */
  abstract done(): void;
  abstract fail(failure: RpcFailure): void;
}
