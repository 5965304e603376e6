/** For processes of the harness that serve exports: a free port, one line that says which, and an end. */
import type { ExportProvider } from '../../src/exports/index.ts';
import { createNbdServer } from '../../src/nbd/index.ts';
import { HOST } from './server-process.ts';

/** Of a process: what the service gives its one worker by default. */
export const READ_CACHE_BYTES = 512 * 2 ** 20;

/** What the line looks like to whoever started the process. */
export const LISTENING = /^listening on port (\d+)$/m;

/**
 * Serves until SIGTERM.
 * @param socket path of a Unix socket to listen on too, for who cannot reach this process's loopback
 */
export async function serveExports(exports: ExportProvider, socket?: string): Promise<void> {
  const server = createNbdServer({ exports });
  const address = await server.listen({ host: HOST, port: 0 });
  if (socket !== undefined) await server.listen({ path: socket });
  if (address === undefined || !('port' in address)) throw new Error('it listens on no port');
  process.once('SIGTERM', async () => {
    await server.close();
    process.exit(0);
  });
  console.log(`listening on port ${address.port}`);
}
