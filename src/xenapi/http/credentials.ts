import { basicCredentials } from '../sessions/request-headers.ts';
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
  const basic = basicCredentials(authorization);
  return basic && { kind: 'password', user: basic.name, password: basic.password };
}
