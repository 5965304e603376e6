/**
 * A hook that is a POST of JSON to another server. Any status of 2xx is success. It is sent on only within the same
 * server, and only with its method kept (307, 308): a token goes to nobody else.
 */
import type { HookEnd } from '../../control/index.ts';
import { KeptOutput } from './kept-output.ts';
import { WEBHOOK_REDIRECTS } from './limits.ts';

export interface WebhookRequest {
  readonly url: string;
  readonly facts: Readonly<Record<string, string>>;
  readonly token: string | undefined;
  readonly timeoutMs: number;
}

export async function callWebhook(request: WebhookRequest, signal: AbortSignal): Promise<HookEnd> {
  const timeout = AbortSignal.timeout(request.timeoutMs);
  const either = AbortSignal.any([signal, timeout]);
  try {
    return await post(request, new URL(request.url), WEBHOOK_REDIRECTS, either);
  } catch (error) {
    return {
      succeeded: false,
      how: reasonOf(error, request.timeoutMs, signal, timeout),
      output: '',
    };
  }
}

async function post(
  request: WebhookRequest,
  url: URL,
  redirects: number,
  signal: AbortSignal,
): Promise<HookEnd> {
  const { facts, token } = request;
  const response = await fetch(url, {
    method: 'POST',
    headers: {
      'content-type': 'application/json',
      accept: '*/*',
      ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
    },
    body: JSON.stringify(bodyOf(facts)),
    redirect: 'manual',
    signal,
  });
  const { status } = response;
  const output = await beginningOf(response);
  if (status < 300 || status >= 400) {
    return { succeeded: response.ok, how: `HTTP ${status}`, output };
  }
  const to = URL.parse(response.headers.get('location') ?? '', url);
  const refuse = (why: string): HookEnd => ({
    succeeded: false,
    how: `HTTP ${status}: ${why}`,
    output,
  });
  if (to === null || (status !== 307 && status !== 308)) return refuse('it is sent on as no POST');
  if (to.origin !== url.origin) return refuse('it is sent on to another server, and does not go');
  if (redirects === 0) return refuse(`it is sent on more than ${WEBHOOK_REDIRECTS} times`);
  return post(request, to, redirects - 1, signal);
}

/** `ROOTCAST_SNAPSHOT` is `snapshot`; what names several is a list. */
function bodyOf(facts: Readonly<Record<string, string>>): Record<string, string | string[]> {
  return Object.fromEntries(
    Object.entries(facts).map(([variable, value]) => {
      const name = variable.replace(/^ROOTCAST_/, '').toLowerCase();
      const isList = name === 'volumes' || name === 'repositories';
      return [name, isList ? value.split(' ').filter((part) => part !== '') : value];
    }),
  );
}

async function beginningOf(response: Response): Promise<string> {
  const output = new KeptOutput();
  if (response.body !== null) {
    for await (const piece of response.body as AsyncIterable<Uint8Array>) {
      output.add(piece);
      if (output.isFull) break; // the rest is not waited for
    }
  }
  return output.text();
}

function reasonOf(
  error: unknown,
  timeoutMs: number,
  signal: AbortSignal,
  timeout: AbortSignal,
): string {
  if (signal.aborted) return 'it was cancelled';
  if (timeout.aborted) return `it was not answered within ${timeoutMs / 1000} s`;
  const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
  return `it could not be called: ${cause instanceof Error ? cause.message : String(cause)}`;
}
