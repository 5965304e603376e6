/**
 * The content of VDIs over HTTP: GET /export_raw_vdi and PUT /import_raw_vdi, also with a slash behind, as Xen
 * Orchestra asks. Read first, then admission.ts, import-vdi.ts, export-vdi.ts.
 *
 * The server that this is for may not limit the time of a request.
 */
import { setTimeout as delay } from 'node:timers/promises';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { ImageRouteOptions } from './admission.ts';
import { Exchange } from './exchange.ts';
import { exportVdi } from './export-vdi.ts';
import { importVdi } from './import-vdi.ts';
import { TRANSFERS_END_MS } from './limits.ts';
import { RawSockets } from './raw-sockets.ts';

type Serve = (exchange: Exchange, options: ImageRouteOptions) => Promise<void>;

const ROUTES: readonly { method: 'GET' | 'PUT'; path: string; serve: Serve }[] = [
  { method: 'PUT', path: '/import_raw_vdi', serve: importVdi },
  { method: 'GET', path: '/export_raw_vdi', serve: exportVdi },
];

/**
 * Who closes the server ends the tasks of transfers first: it is closed when they have ended too, and what was made for
 * an import is gone.
 */
export function imageRoutes(app: FastifyInstance, options: ImageRouteOptions): void {
  const sockets = new RawSockets(app.server);
  const running = new Set<Promise<void>>();
  app.register(async (scope) => {
    // Whatever type the body says it has, it is read by whom it is for.
    scope.removeAllContentTypeParsers();
    scope.addContentTypeParser('*', (_request, _payload, done) => done(null));
    scope.addHook('onRequest', (request, _reply, done) => {
      delete request.raw.headers['content-type']; // fastify refuses one that is not well-formed
      done();
    });
    scope.addHook('onClose', () => endOf(running));
    for (const { method, path, serve } of ROUTES) {
      for (const url of [path, `${path}/`]) {
        scope.route({
          method,
          url,
          exposeHeadRoute: false,
          handler: async (request: FastifyRequest, reply: FastifyReply) => {
            reply.hijack();
            const transfer = serve(exchangeOf(request, reply, options, sockets), options);
            running.add(transfer);
            await transfer.finally(() => running.delete(transfer));
          },
        });
      }
    }
  });
}

/** Storage that does not answer holds nobody up for longer. */
async function endOf(running: ReadonlySet<Promise<void>>): Promise<void> {
  const enough = new AbortController();
  const late = delay(TRANSFERS_END_MS, undefined, { signal: enough.signal }).catch(() => undefined);
  await Promise.race([Promise.allSettled(running), late]);
  enough.abort();
}

function exchangeOf(
  request: FastifyRequest,
  reply: FastifyReply,
  { lingerMs }: ImageRouteOptions,
  sockets: RawSockets,
): Exchange {
  // The server's owner may have left it to the routes to tell clients that ask whether to send.
  const isAsked = request.server.server.listenerCount('checkContinue') > 0;
  return new Exchange(request.raw, reply.raw, { lingerMs, isAsked, sockets });
}
