/** Another Rootcast, as the one that receives asks it. Its token is in no error and in no log. */
import { FAULT_CODES, Fault, type FaultCode } from '../../errors/index.ts';
import { PEER_IDLE_MS, PEER_PROBLEM_BYTES_MAX } from './limits.ts';

export interface PeerOptions {
  /** Without a slash at its end. */
  readonly url: string;
  readonly token: string;
  /** Who asks, for the audit there. */
  readonly user: string;
  readonly fetch?: typeof globalThis.fetch;
  /** PEER_IDLE_MS unless given. */
  readonly idleMs?: number;
}

export interface PeerBody {
  readonly type: 'application/json' | 'application/octet-stream';
  readonly bytes: Buffer;
}

export class PeerClient {
  readonly url: string;
  readonly #options: PeerOptions;
  /** Bytes of all answers so far. */
  bytesReceived = 0;
  /** Whether there ever was an answer. */
  hasAnswered = false;

  constructor(options: PeerOptions) {
    this.url = options.url;
    this.#options = options;
  }

  /**
   * Asks for a stream. Whoever ends it ends the request.
   * @param path from /v1 on
   * @throws Fault UNAVAILABLE: it cannot be reached, or breaks off; others: it refuses; CANCELLED
   */
  async *post(path: string, body: PeerBody, signal: AbortSignal): AsyncGenerator<Buffer> {
    const { url } = this;
    const { idleMs = PEER_IDLE_MS } = this.#options;
    const abort = new AbortController();
    let timer: NodeJS.Timeout | undefined;
    const wait = (): void => {
      timer = setTimeout(() => {
        const message = `${url} has sent nothing for ${idleMs / 1000} s`;
        abort.abort(new Fault('UNAVAILABLE', message));
      }, idleMs);
    };
    try {
      wait();
      const response = await this.#ask(path, body, AbortSignal.any([signal, abort.signal]));
      this.hasAnswered = true;
      if (!response.ok) throw await refusal(url, response);
      for await (const piece of response.body ?? []) {
        clearTimeout(timer);
        const bytes = Buffer.from(piece.buffer, piece.byteOffset, piece.byteLength);
        this.bytesReceived += bytes.length;
        yield bytes;
        wait();
        // Whoever takes what came may take longer than the other server may be silent.
      }
    } catch (error) {
      if (signal.aborted) throw new Fault('CANCELLED', `asking ${url} was cancelled`);
      if (abort.signal.aborted) throw abort.signal.reason;
      throw error instanceof Fault ? error : unreachable(url, error);
    } finally {
      clearTimeout(timer);
      abort.abort();
    }
  }

  #ask(path: string, { type, bytes }: PeerBody, signal: AbortSignal): Promise<Response> {
    const { url, token, user, fetch = globalThis.fetch } = this.#options;
    return fetch(`${url}/v1${path}`, {
      method: 'POST',
      headers: {
        authorization: `Bearer ${token}`,
        'content-type': type,
        'x-rootcast-user': user,
      },
      body: new Uint8Array(bytes),
      redirect: 'error', // the token goes to no other server
      signal,
    });
  }
}

function unreachable(url: string, error: unknown): Fault {
  const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
  const { code, message } = cause as NodeJS.ErrnoException;
  const details = { field: 'from', value: url, expected: 'a server that can be reached' };
  return new Fault('UNAVAILABLE', `${url} cannot be reached (${code ?? message})`, details, {
    cause: error,
  });
}

/** What the other server says why not, in its words. */
async function refusal(url: string, response: Response): Promise<Fault> {
  const problem = parseProblem(await beginning(response));
  const what = problem.detail ?? `HTTP ${response.status}`;
  const message = `${url} refuses: ${what}`;
  if (response.status === 401) {
    const expected = 'the token of DIR/admin.token there';
    return new Fault('PERMISSION_DENIED', `${url} does not take this token`, {
      field: 'token',
      expected,
    });
  }
  const { code = response.status >= 500 ? 'UNAVAILABLE' : 'INVALID_INPUT', expected } = problem;
  return new Fault(code, message, {
    field: 'from',
    value: url,
    ...(expected === undefined ? {} : { expected }),
  });
}

async function beginning(response: Response): Promise<string> {
  const pieces: Uint8Array[] = [];
  let bytes = 0;
  for await (const piece of response.body ?? []) {
    pieces.push(piece);
    bytes += piece.byteLength;
    if (bytes > PEER_PROBLEM_BYTES_MAX) break;
  }
  return Buffer.concat(pieces).toString('utf8', 0, PEER_PROBLEM_BYTES_MAX);
}

interface PeerProblem {
  readonly code: FaultCode | undefined;
  readonly detail: string | undefined;
  readonly expected: string | undefined;
}

function parseProblem(text: string): PeerProblem {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    value = undefined;
  }
  const { code, detail, expected } = (value ?? {}) as Record<string, unknown>;
  return {
    code: FAULT_CODES.find((known) => known === code),
    detail: typeof detail === 'string' ? detail : undefined,
    expected: typeof expected === 'string' ? expected : undefined,
  };
}
