/**
 * Figures over HTTP (xen-api metrics.md): `/rrd_updates` what was recorded since a time, of the host with its SRs, and
 * of VDIs for who asks for them (xapi has none, so nobody else gets what he did not expect); `/host_rrd` and `/sr_rrd`
 * all of it. XML, or JSON for who says `json=true` or takes it by his Accept header.
 */
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { mayAs } from '../datamodel/roles.ts';
import type { Objects } from '../objects/objects.ts';
import {
  type Column,
  dumpJson,
  dumpXml,
  exportJson,
  exportRows,
  exportXml,
} from '../rrd/export-rows.ts';
import type { Figures, Source } from '../rrd/figures.ts';
import type { RequestSession } from '../sessions/authenticate-request.ts';
import { XenError } from '../xen-error.ts';
import { queryOf } from './request-parameters.ts';

export interface RrdOptions {
  readonly figures: Figures;
  readonly objects: Objects;
  /** Whose a request is (sessions/authenticate-request.ts). @throws XenError: it is nobody's */
  readonly authenticate: (request: FastifyRequest) => Promise<RequestSession | undefined>;
}

/** Of each name the first counts, but of those that may be repeated. */
type Query = URLSearchParams;

export function rrdRoutes(app: FastifyInstance, options: RrdOptions): void {
  const { figures, objects } = options;
  const route = (path: string, answer: (query: Query, asJson: boolean) => string): void => {
    const handler = answering(options, path.slice(1), answer);
    app.get(path, handler);
    app.get(`${path}/*`, handler);
  };
  route('/rrd_updates', (query, asJson) => updates(figures, query, asJson));
  route('/host_rrd', (_query, asJson) => dump(figures, figures.sources(), asJson));
  route('/sr_rrd', (query, asJson) => {
    const sr = objects.refOfEither('SR', query.get('uuid') ?? query.get('ref') ?? '');
    return dump(figures, figures.sources(sr), asJson);
  });
}

/** What the client asks for is not well said. */
class BadQuery extends Error {}

function answering(
  { authenticate }: RrdOptions,
  realm: string,
  answer: (query: Query, asJson: boolean) => string,
) {
  return async (request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> => {
    reply.header('cache-control', 'no-cache, no-store');
    const session = await authenticate(request).catch(nobody);
    if (session === undefined) {
      reply.header('www-authenticate', `Basic realm="${realm}"`);
      return refuse(reply, 401, 'who are you?');
    }
    try {
      if (!mayAs(session.caller.role, 'read-only')) return refuse(reply, 403, 'not for your role');
      const query = queryOf(request.url);
      const asJson = wantsJson(request, query);
      const type = asJson ? 'application/json' : 'text/xml';
      // Bytes: to a text fastify would add a charset, and clients compare the whole of the type.
      return await reply.header('content-type', type).send(Buffer.from(answer(query, asJson)));
    } catch (error) {
      if (error instanceof BadQuery) return refuse(reply, 400, error.message);
      if (error instanceof XenError) return refuse(reply, 404, error.message);
      throw error;
    } finally {
      session.release();
    }
  };
}

function nobody(error: unknown): undefined {
  if (!(error instanceof XenError)) throw error;
  return undefined;
}

function refuse(reply: FastifyReply, status: number, why: string): FastifyReply {
  return reply.status(status).header('content-type', 'text/plain').send(`${why}\n`);
}

function wantsJson({ headers: { accept = '' } }: FastifyRequest, query: Query): boolean {
  if (query.has('json')) return query.get('json') !== 'false';
  return /application\/json|\*\/\*/.test(accept);
}

function updates(figures: Figures, query: Query, asJson: boolean): string {
  const start = numberIn(query, 'start', 0);
  const interval = numberIn(query, 'interval', 0);
  const isKept = (query.get('cf') ?? 'AVERAGE') === 'AVERAGE';
  const columns = (isKept ? columnsFor(figures, query) : []).map(({ name, series }) => ({
    name: `AVERAGE:${name}`,
    series,
  }));
  const rows = exportRows(columns, figures.sample ?? 0, { start, interval });
  return asJson ? exportJson(rows) : exportXml(rows);
}

function columnsFor(figures: Figures, query: Query): readonly Column[] {
  const prefix = `host:${figures.hostUuid}`;
  const host = query.get('host') === 'true' ? figures.sources() : [];
  const ofHost = host.map(({ name, series }) => ({ name: `${prefix}:${name}`, series }));
  if (query.get('vdi') === 'true') return [...ofHost, ...figures.vdiColumns()];
  const uuids = query.getAll('vdi_uuid');
  return uuids.length === 0 ? ofHost : [...ofHost, ...figures.vdiColumns(new Set(uuids))];
}

function numberIn(query: Query, name: string, byDefault: number): number {
  const text = query.get(name);
  if (text === null) return byDefault;
  if (/^-?\d{1,15}(\.\d*)?$/.test(text)) return Number(text);
  throw new BadQuery(`${name} must be a number of seconds`);
}

function dump(figures: Figures, sources: readonly Source[], asJson: boolean): string {
  const { sample = 0 } = figures;
  return asJson ? dumpJson(sources, sample) : dumpXml(sources, sample);
}
