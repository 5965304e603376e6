/** An NBD server that says who comes and goes, with the limit that is asked for: `node watched-server.ts ADDRESS MS`. */
import { createNbdServer } from '../../../src/nbd/index.ts';
import { testExports } from '../../support/nbd-server-process.ts';

const [host = '127.0.0.1', unacknowledgedMs = '30000'] = process.argv.slice(2);
const server = createNbdServer({
  exports: testExports(16 * 1024 * 1024),
  limits: { unacknowledgedMs: Number(unacknowledgedMs) },
  onConnection: ({ address }) => console.log(`entered ${address}`),
  onDisconnection: ({ address, counters }) => console.log(`left ${address} ${counters.requests}`),
});
await server.listen({ host, port: 10_809 });
console.log('ready');
