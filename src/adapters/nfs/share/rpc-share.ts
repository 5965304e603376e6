/** What the shares of both versions have in common: the client, calls that are put off, files to recover. */
import { PUT_OFF_FIRST_MS, PUT_OFF_MOST_MS } from '../limits.ts';
import type { RpcCall } from '../rpc/call.ts';
import { type Decode, PlainCall } from '../rpc/plain-call.ts';
import { RpcClient } from '../rpc/rpc-client.ts';
import { openSocket } from '../rpc/socket.ts';
import type { Time } from '../rpc/time.ts';
import { callTemplate, type SystemCredential } from '../wire/rpc-message.ts';
import { isPutOff, NfsError } from './nfs-error.ts';
import type { Recoverable } from './share.ts';

export interface ShareOptions {
  readonly server: string;
  /** The folder's path on the server. */
  readonly path: string;
  /** undefined: the port mapper is asked (version 3), 2049 (version 4). */
  readonly port: number | undefined;
  readonly mountPort: number | undefined;
  readonly portmapPort: number;
  readonly credential: SystemCredential;
  readonly reservedPort: boolean;
  /** Milliseconds. */
  readonly patience: number;
  readonly connections: number;
  readonly time: Time;
  readonly random: () => number;
  /** Names this client to a server of version 4: unique, also among threads. */
  readonly clientName: string;
  readonly impatientAtFirst?: boolean;
  readonly onLost?: (reason: Error) => void;
  /** A file's data could not be brought back. */
  readonly onBroken?: (error: Error) => void;
}

interface Status {
  readonly status: number;
}

export class RpcShare {
  protected readonly options: ShareOptions;
  protected readonly client: RpcClient;
  readonly #files = new Set<Recoverable>();

  /** @param recoverState brings the server's state to ours, before files are recovered */
  protected constructor(
    options: ShareOptions,
    parts: {
      readonly program: number;
      readonly version: number;
      readonly port: () => Promise<number>;
      readonly recoverState: () => Promise<void>;
    },
  ) {
    this.options = options;
    const ping = callTemplate(parts.program, parts.version, 0, undefined);
    this.client = new RpcClient({
      connect: async () => {
        const address = { host: options.server, port: await parts.port() };
        return openSocket({ ...address, reserved: options.reservedPort }, options.random);
      },
      connections: options.connections,
      patience: options.patience,
      time: options.time,
      random: options.random,
      ping: () => new PlainCall(ping, Buffer.alloc(0), () => true, false),
      recover: async () => {
        await parts.recoverState();
        for (const file of [...this.#files]) await file.recover();
      },
      ...(options.impatientAtFirst === undefined
        ? {}
        : { impatientAtFirst: options.impatientAtFirst }),
      ...(options.onLost === undefined ? {} : { onLost: options.onLost }),
    });
  }

  submit(call: RpcCall): void {
    this.client.submit(call);
  }

  resubmit(call: RpcCall, milliseconds: number): void {
    this.client.resubmit(call, milliseconds);
  }

  urgent(call: RpcCall): void {
    this.client.urgent(call);
  }

  recoverNow(): Promise<void> {
    return this.client.recoverNow();
  }

  watch(file: Recoverable): () => void {
    this.#files.add(file);
    return () => this.#files.delete(file);
  }

  /**
   * Makes a call, again and again while the server puts it off, within the patience.
   * @throws RpcFailure
   */
  protected async ask<T extends Status>(
    template: Buffer,
    args: Buffer,
    decode: Decode<T>,
    how: { readonly repeatable: boolean; readonly urgent?: boolean },
  ): Promise<T> {
    const { time, patience } = this.options;
    const end = time.now() + patience;
    for (let pause = PUT_OFF_FIRST_MS; ; pause = Math.min(pause * 2, PUT_OFF_MOST_MS)) {
      const call = new PlainCall(template, args, decode, how.repeatable);
      if (how.urgent === true) this.client.urgent(call);
      else this.client.submit(call);
      const answer = await call.answer;
      if (!isPutOff(answer.status) || time.now() + pause > end) return answer;
      await new Promise<void>((resolve) => time.after(pause, resolve));
    }
  }
}

/** @throws NfsError of an answer that is none */
export function successOf<T>(
  answer: { readonly status: number; readonly value: T | undefined },
  what: string,
): T {
  if (answer.status !== 0 || answer.value === undefined) throw new NfsError(answer.status, what);
  return answer.value;
}
