import type { FastifyReply } from 'fastify';
import { parseMac } from '../mac-address.ts';

/** What names a machine in the query of a URL. Given twice it is a list, and names none. */
export interface MacQuery {
  readonly mac?: string | readonly string[];
}

/** @returns undefined: it has answered that there is none */
export function askedMac({ mac: given }: MacQuery, reply: FastifyReply): string | undefined {
  const mac = typeof given === 'string' ? parseMac(given) : undefined;
  if (mac === undefined) reply.code(400).type('text/plain').send('mac: expected a MAC address\n');
  return mac;
}
