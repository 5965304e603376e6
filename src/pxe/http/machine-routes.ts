/** What a machine asks and says while it boots, beside its files: who it is, and what its write cache is like. */
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { BootCatalog } from '../boot-catalog.ts';
import { BOOT_PATH } from '../boot-urls.ts';
import { askedMac, type MacQuery } from './asked-mac.ts';
import { parseCacheReport } from './cache-report.ts';
import { CONTENT_TYPE } from './content-type.ts';
import { plain } from './plain.ts';

export function addMachineRoutes(server: FastifyInstance, catalog: BootCatalog): void {
  // GET only: HEAD would count as having been given it.
  server.get<{ Querystring: MacQuery }>(`${BOOT_PATH}/identity`, (request, reply) =>
    identity(catalog, request.query, request, reply),
  );
  server.post<{ Querystring: MacQuery }>(`${BOOT_PATH}/report`, (request, reply) =>
    report(catalog, request.query, request.body, reply),
  );
}

async function identity(
  catalog: BootCatalog,
  query: MacQuery,
  request: FastifyRequest,
  reply: FastifyReply,
): Promise<FastifyReply> {
  const mac = askedMac(query, reply);
  if (mac === undefined) return reply;
  const answer = await catalog.identity(mac, request.ip);
  switch (answer.kind) {
    case 'unknown':
      return plain(reply, 404, 'no such machine');
    case 'refused':
      return plain(reply, 403, answer.why);
    case 'identity':
      reply.type(CONTENT_TYPE.env).header('cache-control', 'no-store');
      return reply.send(answer.text);
  }
}

async function report(
  catalog: BootCatalog,
  query: MacQuery,
  body: unknown,
  reply: FastifyReply,
): Promise<FastifyReply> {
  const mac = askedMac(query, reply);
  if (mac === undefined) return reply;
  const said = parseCacheReport(Buffer.isBuffer(body) ? body.toString('latin1') : '');
  if (typeof said === 'string') return plain(reply, 400, said);
  const outcome = await catalog.cacheReported(mac, said);
  switch (outcome.kind) {
    case 'kept':
      return reply.code(204).send();
    case 'unknown':
      return plain(reply, 404, 'no machine with a write cache of its own has this address');
    case 'refused':
      return plain(reply, 409, outcome.why);
  }
}
