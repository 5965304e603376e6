/** A server over one device or table, and raw clients in its transmission phase. */
import { createNbdServer, type NbdServer, singleExport } from '../../../src/nbd/index.ts';
import type { FakeDevice } from './fake-device.ts';
import { RawClient } from './raw-client.ts';

type Exports = Parameters<typeof createNbdServer>[0]['exports'];
type Limits = Parameters<typeof createNbdServer>[0]['limits'];

export const SIZE = 1024 * 1024;

let server: NbdServer | undefined;
const clients: RawClient[] = [];

/** For afterEach. */
export async function stopServing(): Promise<void> {
  for (const client of clients.splice(0)) client.close();
  await server?.close();
  server = undefined;
}

/** A client that has read the greeting of a server of these exports. */
export async function serveExports(exports: Exports, limits: Limits = {}): Promise<RawClient> {
  server = createNbdServer({ exports, limits });
  const address = await server.listen({ host: '127.0.0.1', port: 0 });
  if (address === undefined || !('port' in address)) throw new Error('no port');
  const client = await RawClient.open(address.port);
  clients.push(client);
  return client;
}

export function serve(device: FakeDevice, limits: Limits = {}): Promise<RawClient> {
  return serveExports(singleExport('disk', device), limits);
}

export function fill(length: number): Buffer {
  return Buffer.from(Array.from({ length }, (_, index) => (index * 7 + 3) & 0xff));
}
