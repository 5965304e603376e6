import type { FastifyReply } from 'fastify';

/** A line for people, and for logs of machines. */
export function plain(reply: FastifyReply, code: number, line: string): FastifyReply {
  return reply.code(code).type('text/plain').send(`${line}\n`);
}
