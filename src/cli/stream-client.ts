/**
 * Bytes from and to the server, for as long as it takes. `fetch` gives a server five minutes to begin, and
 * sends a body before it knows whether it is wanted.
 */
import { type ClientRequest, request as httpRequest, type IncomingMessage } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { buffer } from 'node:stream/consumers';
import { headerOfUser, parseJson, refusalOf, refused, unreachable } from './api-client.ts';
import { CliError, EXIT_REFUSED, EXIT_UNREACHABLE } from './cli-error.ts';
import { CONTINUE_WAIT_MS, KEEP_ALIVE_PROBE_MS, STREAM_IDLE_MS } from './limits.ts';

const BYTES = 'application/octet-stream';

export interface Download {
  /** Bytes; undefined: the server does not say. */
  readonly length: number | undefined;
  /** To be read once. @throws CliError when it breaks off */
  readonly pieces: AsyncIterable<Buffer>;
}

export interface Upload {
  readonly pieces: AsyncIterable<Buffer>;
  /** Bytes; undefined: not known. */
  readonly length: number | undefined;
}

export class StreamClient {
  readonly #server: string;
  readonly #token: string;
  readonly #user: string;

  constructor(server: string, token: string, user: string) {
    this.#server = server.replace(/\/+$/, '');
    this.#token = token;
    this.#user = headerOfUser(user);
  }

  /**
   * @param path from /v1 on, with its variable parts encoded
   * @param body JSON to send, if any
   * @throws CliError
   */
  async download(path: string, signal: AbortSignal, body?: object): Promise<Download> {
    const json = body === undefined ? undefined : Buffer.from(JSON.stringify(body));
    const request = this.#open(json === undefined ? 'GET' : 'POST', path, signal, {
      ...(json === undefined ? {} : { 'content-type': 'application/json' }),
    });
    const answer = this.#answerOf(request, signal);
    request.end(json);
    const response = await answer;
    if (response.statusCode !== 200) throw await this.#refusal(response);
    const { 'content-length': length } = response.headers;
    return {
      length: length === undefined ? undefined : Number(length),
      pieces: this.#piecesOf(response, signal),
    };
  }

  /** @returns what the server answers @throws CliError; nothing is read from `upload` if it is not wanted */
  async upload<T>(path: string, upload: Upload, signal: AbortSignal): Promise<T> {
    const { length } = upload;
    const request = this.#open('POST', path, signal, {
      'content-type': BYTES,
      expect: '100-continue',
      ...(length === undefined ? {} : { 'content-length': String(length) }),
    });
    const answer = this.#answerOf(request, signal);
    const wanted = isWanted(request);
    request.flushHeaders();
    const sending = wanted.then((isTrue) => (isTrue ? send(request, upload, answer) : undefined));
    sending.catch(() => undefined); // looked at unless there was an answer before
    try {
      // What cannot be read here is another matter than what the server says.
      await Promise.race([sending, answer]);
      const response = await answer;
      const text = await buffer(response).catch((error: unknown) => {
        throw signal.aborted ? interrupted() : unreachable(this.#server, error);
      });
      const status = response.statusCode ?? 0;
      const value = parseJson(text.toString());
      if (status >= 300) throw refused(refusalOf(value, status), this.#server);
      return value as T; // the contract of answers.ts
    } finally {
      request.destroy();
    }
  }

  #open(
    method: 'GET' | 'POST',
    path: string,
    signal: AbortSignal,
    headers: Readonly<Record<string, string>>,
  ): ClientRequest {
    const url = new URL(`${this.#server}/v1${path}`);
    const open = url.protocol === 'https:' ? httpsRequest : httpRequest;
    const request = open(url, {
      ...{ method, signal, agent: false },
      headers: {
        authorization: `Bearer ${this.#token}`,
        'x-rootcast-user': this.#user,
        connection: 'keep-alive', // not closed below what we are still sending
        ...headers,
      },
    });
    request.setSocketKeepAlive(true, KEEP_ALIVE_PROBE_MS);
    return request;
  }

  async #answerOf(request: ClientRequest, signal: AbortSignal): Promise<IncomingMessage> {
    return new Promise((resolve, reject) => {
      request.once('response', resolve);
      // For good: a server that refuses may close the connection while we are still sending.
      request.on('error', (error) => {
        reject(signal.aborted ? interrupted() : unreachable(this.#server, error));
      });
    });
  }

  async #refusal(response: IncomingMessage): Promise<CliError> {
    const text = await buffer(response).catch(() => Buffer.alloc(0));
    const answer = parseJson(text.toString());
    return refused(refusalOf(answer, response.statusCode ?? 0), this.#server);
  }

  async *#piecesOf(response: IncomingMessage, signal: AbortSignal): AsyncGenerator<Buffer> {
    response.setTimeout(STREAM_IDLE_MS, () => response.destroy(new Error('it has fallen silent')));
    try {
      for await (const piece of response) yield piece as Buffer;
    } catch (error) {
      if (signal.aborted) throw interrupted();
      const { message } = error as Error;
      throw new CliError(
        EXIT_UNREACHABLE,
        `${this.#server} broke off before the end (${message}); its log says why`,
        { cause: error },
      );
    }
  }
}

function interrupted(): CliError {
  return new CliError(EXIT_REFUSED, 'cancelled');
}

/** Whether the server wants what is to be sent: it says so, or it answers before. */
function isWanted(request: ClientRequest): Promise<boolean> {
  return new Promise((resolve) => {
    const timer = setTimeout(() => resolve(true), CONTINUE_WAIT_MS);
    const settle = (wanted: boolean): void => {
      clearTimeout(timer);
      resolve(wanted);
    };
    request.once('continue', () => settle(true));
    request.once('response', () => settle(false));
    request.once('error', () => settle(false));
  });
}

/** Sends until all is sent, or there is an answer: then nobody wants the rest. */
async function send(
  request: ClientRequest,
  { pieces }: Upload,
  answer: Promise<IncomingMessage>,
): Promise<void> {
  const answered = answer.then(
    () => undefined,
    () => undefined,
  );
  const iterator = pieces[Symbol.asyncIterator]();
  try {
    for (;;) {
      const step = await Promise.race([iterator.next(), answered]);
      if (step === undefined) return;
      if (step.done === true) break;
      if (request.write(step.value)) continue;
      const drained = new Promise<void>((resolve) => request.once('drain', resolve));
      await Promise.race([drained, answered]);
    }
  } finally {
    // A file is closed. Not waited for: standard input that gives nothing would not end before it does.
    iterator.return?.().catch(() => undefined);
  }
  request.end();
}
