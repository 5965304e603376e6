/** The command line against a listening API, over a control plane in memory. */
import { buildApi } from '../../../src/api/index.ts';
import { type CliIo, runCli } from '../../../src/cli/index.ts';
import type { Control } from '../../../src/control/index.ts';
import { fakeIo } from './fake-io.ts';

const TOKEN = 'cli-token';

export interface Ran {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

export interface ServedCli {
  /** @param line words with spaces between them, or one by one */
  run(line: string | readonly string[], options?: Partial<CliIo>): Promise<Ran>;
  close(): Promise<void>;
}

export async function servedCli(control: Control): Promise<ServedCli> {
  const app = buildApi({ control, token: TOKEN });
  const server = await app.listen({ port: 0, host: '127.0.0.1' });
  return {
    async run(line, options = {}) {
      const io = fakeIo({ env: { ROOTCAST_SERVER: server, ROOTCAST_TOKEN: TOKEN }, ...options });
      const code = await runCli(typeof line === 'string' ? line.split(' ') : line, io);
      return { code, out: io.out, err: io.err };
    },
    close: async () => {
      await app.close();
    },
  };
}
