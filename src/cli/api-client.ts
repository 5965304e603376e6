import type { Refusal } from './answers.ts';
import { CliError, EXIT_REFUSED, EXIT_UNREACHABLE } from './cli-error.ts';
import type { CliIo } from './cli-io.ts';
import { MAX_USER_LENGTH, REQUEST_TIMEOUT_MS } from './limits.ts';

export type Method = 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';

/** One server; every failure is a CliError with the exit code that it means. */
export class ApiClient {
  readonly #server: string;
  readonly #token: string;
  readonly #user: string;
  readonly #fetch: typeof globalThis.fetch;

  /** @param io what it says of its user for the audit, and how it fetches */
  constructor(server: string, token: string, { user, fetch }: Pick<CliIo, 'user' | 'fetch'>) {
    this.#server = server.replace(/\/+$/, '');
    this.#token = token;
    this.#user = headerOfUser(user);
    this.#fetch = fetch;
  }

  /**
   * @param path from /v1 on, with its variable parts encoded
   * @throws CliError EXIT_REFUSED (the server said no), EXIT_UNREACHABLE
   */
  async call<T>(method: Method, path: string, body?: object): Promise<T> {
    const response = await this.#request(method, path, body);
    const text = await response.text().catch((error: unknown) => {
      throw unreachable(this.#server, error);
    });
    const answer = parseJson(text);
    if (!response.ok) throw refused(refusalOf(answer, response.status), this.#server);
    if (answer === undefined && response.status !== 204) {
      throw new CliError(EXIT_UNREACHABLE, `${this.#server} does not answer like Rootcast`);
    }
    return answer as T; // the contract of answers.ts
  }

  async #request(method: Method, path: string, body: object | undefined): Promise<Response> {
    try {
      return await this.#fetch(`${this.#server}/v1${path}`, {
        method,
        headers: {
          authorization: `Bearer ${this.#token}`,
          'x-rootcast-user': this.#user,
          accept: 'application/json, application/problem+json',
          ...(body === undefined ? {} : { 'content-type': 'application/json' }),
        },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
        redirect: 'error', // the token goes to no other server
        signal: AbortSignal.timeout(REQUEST_TIMEOUT_MS),
      });
    } catch (error) {
      throw unreachable(this.#server, error);
    }
  }
}

/** What the server is told of the user, for its audit. */
export function headerOfUser(user: string): string {
  return user.replace(/[^\x20-\x7e]/g, '?').slice(0, MAX_USER_LENGTH);
}

export function unreachable(server: string, error: unknown): CliError {
  const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
  const code = (cause as { code?: unknown } | undefined)?.code;
  const why = typeof code === 'string' ? code : String((cause as Error)?.message ?? cause);
  return new CliError(
    EXIT_UNREACHABLE,
    `cannot reach ${server} (${why})\n` +
      'Is the service running? Start it with: rootcast serve --data DIR\n' +
      'Is it elsewhere? Give --server URL, ROOTCAST_SERVER, or --data DIR of that service.',
    { cause: error },
  );
}

export function refused(refusal: Refusal, server?: string): CliError {
  const { code, message, field, value, expected } = refusal;
  const lines = [`${code}: ${message}`];
  if (field !== undefined) lines.push(`  field:    ${field}`);
  if (value !== undefined) lines.push(`  value:    ${JSON.stringify(value)}`);
  if (expected !== undefined) lines.push(`  expected: ${expected}`);
  if (code === 'UNAUTHORIZED' && server !== undefined) {
    lines.push(`  ${server} does not take this token; see ROOTCAST_TOKEN and --data DIR`);
  }
  return new CliError(EXIT_REFUSED, lines.join('\n'));
}

/** @param answer as the server gave it, in JSON */
export function refusalOf(answer: unknown, status: number): Refusal {
  const { code, detail, field, value, expected } = (answer ?? {}) as Record<string, unknown>;
  return {
    code: typeof code === 'string' ? code : `HTTP ${status}`,
    message: typeof detail === 'string' ? detail : 'the server gave no reason',
    ...(typeof field === 'string' ? { field } : {}),
    ...(value === undefined ? {} : { value }),
    ...(typeof expected === 'string' ? { expected } : {}),
  };
}

/** Undefined: it is no JSON. */
export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
