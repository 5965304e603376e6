/** Who a request is from, as the audit tells it. */
import type { FastifyRequest } from 'fastify';
import { Fault } from '../errors/index.ts';
import { MAX_USER_LENGTH } from './limits.ts';

/** What a client says of its user, such as `root@host`. Nobody checks it: the token is all that counts. */
const USER_HEADER = 'x-rootcast-user';

const PRINTABLE = /^[\x20-\x7e]+$/;

/**
 * `admin from 192.0.2.7 (says root@host)`. Whoever has the token is the administrator; what else is known is
 * an address and a word, which comes last so that it cannot look like anything else.
 * @throws Fault INVALID_INPUT
 */
export function actorOf({ headers, ip }: Pick<FastifyRequest, 'headers' | 'ip'>): string {
  const says = headers[USER_HEADER];
  const address = ip.replace(/^::ffff:(?=\d+\.)/, ''); // IPv4 on a socket for both
  if (says === undefined || says === '') return `admin from ${address}`;
  if (typeof says === 'string' && says.length <= MAX_USER_LENGTH && PRINTABLE.test(says)) {
    return `admin from ${address} (says ${says.trim()})`;
  }
  throw new Fault('INVALID_INPUT', `the header ${USER_HEADER} cannot be written down`, {
    field: USER_HEADER,
    value: says,
    expected: `at most ${MAX_USER_LENGTH} printable ASCII characters, such as root@host`,
  });
}
