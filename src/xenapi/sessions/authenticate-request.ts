/**
 * Whose an HTTP request is that is no call (import, export, metrics): a session by cookie or query, or a name and
 * a password, for which a session is made that ends with the request (xapi_http.ml).
 */
import type { IncomingHttpHeaders } from 'node:http';
import type { Caller } from '../call.ts';
import type { Ref } from '../datamodel/description.ts';
import { basicCredentials, cookiesIn } from './request-headers.ts';
import type { Sessions } from './sessions.ts';

export interface RequestCredentials {
  readonly headers: IncomingHttpHeaders;
  readonly query: URLSearchParams;
  /** Of the client. */
  readonly address: string;
}

export interface RequestSession {
  readonly caller: Caller;
  /** Aborted when the session ends. */
  readonly ended: AbortSignal;
  /** To be called once the request is answered. */
  readonly release: () => void;
}

/**
 * @returns undefined: it says nothing of who it is: 401, `WWW-Authenticate: Basic`
 * @throws XenError SESSION_INVALID, SESSION_AUTHENTICATION_FAILED (late): 401, too
 */
export async function authenticateRequest(
  sessions: Sessions,
  { headers, query, address }: RequestCredentials,
): Promise<RequestSession | undefined> {
  const ref = cookiesOf(headers).get('session_id') ?? query.get('session_id') ?? '';
  if (ref !== '') return requestSession(sessions, ref, () => undefined);
  const basic = basicCredentials(headers.authorization);
  if (basic === undefined) return undefined;
  const session = await sessions.login({ ...basic, address, originator: 'http' });
  return requestSession(sessions, session.ref, () => sessions.end(session.ref));
}

function requestSession(sessions: Sessions, ref: Ref, release: () => void): RequestSession {
  return { caller: sessions.callerOf(ref), ended: sessions.endOf(ref), release };
}

/** Separated by `;`, or by `&` as xapi's own clients do it; the first of a name counts. */
export function cookiesOf({ cookie = '' }: IncomingHttpHeaders): ReadonlyMap<string, string> {
  return cookiesIn(cookie.split(/[;&]/));
}
