import type { Credentials } from './image-port.ts';
import type { RequestParameters } from './request-parameters.ts';

/**
 * A session, or else what `Authorization: Basic` says (RFC 7617). Pure.
 * @returns undefined: the request says nothing of who it is from
 */
export function credentialsOf(
  parameters: RequestParameters,
  authorization: string | undefined,
): Credentials | undefined {
  const session = parameters.cookieFirst('session_id');
  if (session !== undefined) return { kind: 'session', session };
  const encoded = /^basic +([A-Za-z0-9+/=_-]+) *$/i.exec(authorization ?? '')?.[1];
  if (encoded === undefined) return undefined;
  const pair = Buffer.from(encoded, 'base64').toString('utf8');
  const mark = pair.indexOf(':');
  if (mark < 0) return undefined;
  return { kind: 'password', user: pair.slice(0, mark), password: pair.slice(mark + 1) };
}
