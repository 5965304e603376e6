/** Pages for whoever speaks no XenAPI, or not well enough to be answered in it. */
import type { FastifyReply } from 'fastify';

const ESCAPES: Readonly<Record<string, string>> = {
  '<': '&lt;',
  '>': '&gt;',
  '&': '&amp;',
  '"': '&quot;',
};

function escaped(text: string): string {
  return text.replace(/[<>&"]/g, (character) => ESCAPES[character] ?? '');
}

/** @param text what is wrong, and what would be right; what a client sent may be in it */
export function sendPage(
  reply: FastifyReply,
  status: number,
  heading: string,
  text: string,
): FastifyReply {
  const body = `<html><body><h1>${escaped(heading)}</h1>${escaped(text)}</body></html>\n`;
  return reply.code(status).header('content-type', 'text/html').send(Buffer.from(body));
}
