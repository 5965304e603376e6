/** What the transport asks of whoever carries out calls. */
import type { IncomingHttpHeaders } from 'node:http';
import type { ApiType } from '../datamodel/description.ts';
import type { RpcCall } from '../wire/wire-value.ts';

export interface IncomingCall extends RpcCall {
  /** Of the client. */
  readonly address: string;
  readonly headers: Readonly<IncomingHttpHeaders>;
  /** The task that the call is a part of: header `task-id`, else `subtask-of` (gen_server.ml). */
  readonly subtaskOf: string | undefined;
  /** Aborted when the client goes away before it has its answer. */
  readonly signal: AbortSignal;
}

export interface Outcome {
  readonly type: ApiType;
  /** Must stay as it is: a long one is written while it is sent. */
  readonly value: unknown;
}

/**
 * Carries out one call.
 * @throws XenError what the client is told; of anything else it is told INTERNAL_ERROR and the message
 */
export type Dispatch = (call: IncomingCall) => Promise<Outcome>;
