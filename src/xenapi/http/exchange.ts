/**
 * One request and its answer, on a connection of their own: it is always closed at the end. An answer that has begun
 * and cannot be finished is cut off in a way that no client takes for its end.
 */
import type { IncomingMessage, OutgoingHttpHeaders, ServerResponse } from 'node:http';
import { TRANSFER_LINGER_MS } from './limits.ts';
import type { RawSockets } from './raw-sockets.ts';
import { ClientGone } from './request-body.ts';
import { RequestParameters } from './request-parameters.ts';

const ALWAYS = { connection: 'close', 'cache-control': 'no-cache, no-store' };

export class Exchange {
  readonly request: IncomingMessage;
  readonly parameters: RequestParameters;
  readonly #response: ServerResponse;
  readonly #lingerMs: number;
  readonly #isAsked: boolean;
  readonly #sockets: RawSockets;
  readonly #gone = new AbortController();

  /** @param options isAsked: clients that ask whether to send (RFC 9110 §10.1.1) wait for `wantBody` */
  constructor(
    request: IncomingMessage,
    response: ServerResponse,
    options: {
      readonly lingerMs: number | undefined;
      readonly isAsked: boolean;
      readonly sockets: RawSockets;
    },
  ) {
    const { lingerMs = TRANSFER_LINGER_MS, isAsked, sockets } = options;
    this.request = request;
    this.parameters = new RequestParameters(request.url ?? '', request.headers.cookie);
    this.#response = response;
    this.#lingerMs = lingerMs;
    this.#sockets = sockets;
    this.#isAsked = isAsked && request.headers.expect !== undefined;
    // Whoever works on it is told by what it waits for.
    request.on('error', () => undefined);
    response.on('error', () => undefined);
    response.once('close', () => {
      if (!response.writableFinished) this.#gone.abort(gone());
    });
    if (response.destroyed) this.#gone.abort(gone());
  }

  /** Aborted with ClientGone when the client goes away before it has all of the answer. */
  get gone(): AbortSignal {
    return this.#gone.signal;
  }

  get hasBegun(): boolean {
    return this.#response.headersSent;
  }

  /** Answers with a status and nothing else, and reads what is still coming for a while. */
  async refuse(status: number, headers: OutgoingHttpHeaders = {}): Promise<void> {
    this.#response.writeHead(status, { ...ALWAYS, ...headers, 'content-length': 0 });
    this.#response.flushHeaders();
    await this.end();
  }

  /** The client is told to send. Before the head of the answer. */
  wantBody(): void {
    if (this.#isAsked) this.#response.writeContinue();
  }

  /** The head of an answer whose body ends with the connection. */
  begin(headers: OutgoingHttpHeaders): void {
    this.#response.removeHeader('transfer-encoding'); // no encoding of Node's choice
    this.#response.writeHead(200, { ...ALWAYS, ...headers });
    this.#response.flushHeaders();
  }

  /**
   * Settles when there is room for more.
   * @param idleMs how long the client may take nothing
   * @throws ClientGone; the signal's reason
   */
  async send(piece: Buffer, idleMs: number, signal: AbortSignal): Promise<void> {
    if (piece.length === 0) return;
    this.#checkOpen();
    if (this.#response.write(piece)) return;
    await this.#waitFor('drain', idleMs, signal);
  }

  /** Settles when all of the answer has left. @throws as `send` */
  async finish(idleMs: number, signal: AbortSignal): Promise<void> {
    this.#checkOpen();
    const finished = this.#waitFor('finish', idleMs, signal);
    this.#response.end();
    await finished;
  }

  /** Ends the answer, when the client has stopped sending or has been let for long enough. */
  async end(): Promise<void> {
    const { request } = this;
    if (!request.complete && !request.destroyed) {
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, this.#lingerMs);
        const done = (): void => {
          clearTimeout(timer);
          resolve();
        };
        for (const event of ['end', 'close']) request.once(event, done);
        request.removeAllListeners('readable');
        request.resume();
      });
    }
    this.#response.end();
  }

  /** The client sees a connection that broke, not an answer that is at its end. */
  breakOff(): void {
    this.#sockets.reset(this.request.socket);
  }

  #checkOpen(): void {
    if (this.#response.destroyed || this.#response.closed) throw gone();
  }

  async #waitFor(event: 'drain' | 'finish', idleMs: number, signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    const response = this.#response;
    let end: () => void = () => undefined;
    let timer: NodeJS.Timeout | undefined;
    try {
      await new Promise<void>((resolve, reject) => {
        end = resolve;
        response.once(event, end);
        response.once('close', end);
        signal.addEventListener('abort', end);
        timer = setTimeout(() => {
          reject(new ClientGone(`the client has taken nothing for ${idleMs / 1000} s`));
        }, idleMs);
      });
    } finally {
      clearTimeout(timer);
      response.off(event, end);
      response.off('close', end);
      signal.removeEventListener('abort', end);
    }
    signal.throwIfAborted();
    if (event === 'finish' ? !response.writableFinished : response.destroyed) throw gone();
  }
}

function gone(): ClientGone {
  return new ClientGone('the client went away before it had everything');
}
