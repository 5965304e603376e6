import type { FastifyReply } from 'fastify';
import { parseMac } from '../mac-address.ts';
import { plain } from './plain.ts';

/** What names a machine in the query of a URL. Given twice it is a list, and names none. */
export interface MacQuery {
  readonly mac?: string | readonly string[];
}

/** @returns undefined: it has answered that there is none */
export function askedMac({ mac: given }: MacQuery, reply: FastifyReply): string | undefined {
  const mac = typeof given === 'string' ? parseMac(given) : undefined;
  if (mac === undefined) plain(reply, 400, 'mac: expected a MAC address');
  return mac;
}
