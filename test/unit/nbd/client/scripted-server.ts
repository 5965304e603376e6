/** A client of ours, connected to a server that follows a script. */
import { connectNbd } from '../../../../src/nbd/index.ts';
import {
  type FakeServer,
  fakeServer,
  type Style,
  type Wire,
} from '../../../support/nbd-fake-server.ts';

let server: FakeServer | undefined;

/** For afterEach. */
export async function closeScriptedServer(): Promise<void> {
  await server?.close();
  server = undefined;
}

export async function connectTo(
  script: (wire: Wire) => Promise<void>,
  options: Partial<Parameters<typeof connectNbd>[1]> & { readonly style?: Style } = {},
) {
  server = await fakeServer(script);
  return connectNbd(`nbd://127.0.0.1:${server.port}/x`, { style: 'extended', ...options });
}
