import type { AddressInfo } from 'node:net';
import { Writable } from 'node:stream';
import fastify, { type FastifyInstance } from 'fastify';
import type { Dispatch } from '../../../../src/xenapi/transport/dispatch-port.ts';
import { type TransportOptions, transportRoutes } from '../../../../src/xenapi/transport/routes.ts';

export interface Served {
  readonly port: number;
  readonly app: FastifyInstance;
  /** What was logged. */
  readonly log: () => string;
  close(): Promise<void>;
}

/** The routes on a listener of their own. */
export async function served(
  dispatch: Dispatch,
  more: Partial<TransportOptions> = {},
  extend: (app: FastifyInstance) => void = () => undefined,
): Promise<Served> {
  let log = '';
  const stream = new Writable({
    write: (chunk, _encoding, done) => {
      log += String(chunk);
      done();
    },
  });
  const app = fastify({ logger: { level: 'info', stream }, forceCloseConnections: true });
  transportRoutes(app, { dispatch, product: 'Rootcast <test>', ...more });
  extend(app);
  await app.listen({ host: '127.0.0.1', port: 0 });
  const address = app.server.address() as AddressInfo;
  return { port: address.port, app, log: () => log, close: () => app.close() };
}
