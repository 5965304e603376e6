/**
 * The body of a request, piece by piece. What had come before a client broke off is handed out first: there are clients
 * that end a body so (a length that they do not know is announced as a petabyte).
 */
import type { IncomingMessage } from 'node:http';

/** The client broke off, or fell silent. */
export class ClientGone extends Error {
  override readonly name = 'ClientGone';
}

export interface RequestBodyOptions {
  /** Milliseconds of silence after which the client is taken for gone. */
  readonly idleMs: number;
  /** Ends the waiting; its reason is thrown. */
  readonly signal: AbortSignal;
}

export class RequestBody implements AsyncIterable<Buffer> {
  readonly #request: IncomingMessage;
  readonly #options: RequestBodyOptions;
  #isOver = false;
  #wake: (() => void) | undefined;
  #first: Buffer | undefined;

  constructor(request: IncomingMessage, options: RequestBodyOptions) {
    this.#request = request;
    this.#options = options;
    const over = (): void => {
      this.#isOver = true;
      this.#wake?.();
    };
    for (const event of ['end', 'error', 'close']) request.on(event, over);
    request.on('readable', () => this.#wake?.());
    if (request.destroyed || request.readableEnded) over();
  }

  /** Waits for the first bytes. @returns whether there are any @throws as the iterator */
  async begins(): Promise<boolean> {
    this.#first ??= await this.#next();
    return this.#first !== undefined;
  }

  /** @throws ClientGone; the signal's reason */
  async *[Symbol.asyncIterator](): AsyncGenerator<Buffer> {
    if (this.#first !== undefined) {
      yield this.#first;
      this.#first = undefined;
    }
    for (let piece = await this.#next(); piece !== undefined; piece = await this.#next()) {
      yield piece;
    }
  }

  async #next(): Promise<Buffer | undefined> {
    for (;;) {
      this.#options.signal.throwIfAborted();
      const piece: Buffer | null = this.#request.read();
      if (piece !== null) return piece;
      if (this.#isOver) {
        if (this.#request.complete) return undefined;
        throw new ClientGone('the client went away before it had sent everything');
      }
      await this.#wait();
    }
  }

  async #wait(): Promise<void> {
    const { idleMs, signal } = this.#options;
    await new Promise<void>((resolve, reject) => {
      const timer = setTimeout(() => {
        reject(new ClientGone(`the client has sent nothing for ${idleMs / 1000} s`));
      }, idleMs);
      const end = (): void => {
        clearTimeout(timer);
        signal.removeEventListener('abort', end);
        this.#wake = undefined;
        resolve();
      };
      signal.addEventListener('abort', end);
      this.#wake = end;
    }).finally(() => {
      this.#wake = undefined;
    });
  }
}
