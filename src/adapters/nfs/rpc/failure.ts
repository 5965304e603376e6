/** Why a call has no results. `status` is what the server says inside results, and no failure of the call. */
import type { Refusal } from '../wire/rpc-message.ts';

export type RpcFailureKind =
  /** Not answered within the patience. */
  | 'timeout'
  /** The connection broke behind a call that must not be repeated. */
  | 'lost'
  /** The client was closed. */
  | 'closed'
  /** The server answered what makes no sense. */
  | 'malformed'
  | Refusal;

export class RpcFailure extends Error {
  override readonly name = 'RpcFailure';
  readonly kind: RpcFailureKind;
  /** Whether the server may have executed the call. */
  readonly sent: boolean;

  constructor(kind: RpcFailureKind, message: string, sent: boolean, options?: ErrorOptions) {
    super(message, options);
    this.kind = kind;
    this.sent = sent;
  }
}
