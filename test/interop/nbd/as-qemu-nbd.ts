/**
 * Stands in for qemu-nbd in libnbd's tests: the arguments they use, the socket from systemd activation
 * (descriptor 3), and our server in front. What our server serves is what the real qemu-nbd says of the
 * image, read through our client: so both halves of src/nbd are in the way of every request.
 *
 *   qemu-nbd [-r] [-f FORMAT] [-A] [-B BITMAP]… FILE      QEMU_NBD_REAL names the program behind it
 */
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import type { ExportProvider, OpenExport } from '../../../src/exports/index.ts';
import { connectNbd, createNbdServer, type NbdClient, nbdDevice } from '../../../src/nbd/index.ts';

const { values, positionals } = parseArgs({
  args: process.argv.slice(2),
  allowPositionals: true,
  options: {
    'read-only': { type: 'boolean', short: 'r', default: false },
    format: { type: 'string', short: 'f', default: 'raw' },
    'allocation-depth': { type: 'boolean', short: 'A', default: false },
    bitmap: { type: 'string', short: 'B', multiple: true, default: [] },
    version: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
});
if (values.version || values.help) {
  console.log('qemu-nbd 9 (Rootcast in its place)\n  -A --allocation-depth\n  -B --bitmap=NAME');
  process.exit(0);
}

const real = process.env['QEMU_NBD_REAL'] ?? 'qemu-nbd';
const folder = mkdtempSync(join(tmpdir(), 'rootcast-as-qemu-'));
const socket = join(folder, 's');
const bitmaps = values.bitmap;
const backend = spawn(
  real,
  [
    ...(values['read-only'] ? ['-r'] : []),
    ...['-f', values.format, '-t', '-e', '8', '-k', socket],
    ...(values['allocation-depth'] ? ['-A'] : []),
    ...bitmaps.flatMap((bitmap) => ['-B', bitmap]),
    ...positionals,
  ],
  // Its own socket, not the one that was activated for us.
  { stdio: ['ignore', 'ignore', 'inherit'], env: withoutActivation() },
);

function withoutActivation(): NodeJS.ProcessEnv {
  const { LISTEN_FDS: _fds, LISTEN_PID: _pid, LISTEN_FDNAMES: _names, ...rest } = process.env;
  return rest;
}

async function connectBackend(): Promise<NbdClient> {
  const contexts = [
    'base:allocation',
    ...(values['allocation-depth'] ? ['qemu:allocation-depth'] : []),
    ...bitmaps.map((bitmap) => `qemu:dirty-bitmap:${bitmap}`),
  ];
  for (let tries = 0; ; tries += 1) {
    try {
      const address = { transport: 'unix', path: socket } as const;
      return await connectNbd({ address, exportName: '' }, { contexts });
    } catch (error) {
      if (tries > 100 || backend.exitCode !== null) throw error;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }
}

const client = await connectBackend();
const device = nbdDevice(client);
const contexts = [...client.negotiated.contexts]
  .filter(([, name]) => name !== 'base:allocation')
  .map(([id, name]) => ({
    name,
    async status(offset: number, length: number, limit: number) {
      const asked = Math.min(length, 2 ** 31);
      const status = await client.blockStatus(offset, asked);
      return (status.get(id) ?? []).slice(0, limit);
    },
  }));

const opened: OpenExport = {
  name: '',
  description: '',
  device,
  readOnly: !device.capabilities.write,
  contexts,
  close: () => Promise.resolve(),
};
const exports: ExportProvider = {
  list: () => [{ name: '', description: '' }],
  open: () => opened,
};

let stopping = false;
async function stop(): Promise<void> {
  if (stopping) return;
  stopping = true;
  await server.drain(2_000);
  await device.close();
  backend.kill('SIGTERM');
  rmSync(folder, { recursive: true, force: true });
  process.exit(0);
}

// Like qemu-nbd without --persistent: gone when its last client is, even one that only haggled.
const server = createNbdServer({ exports });
await server.listen({ fd: 3 });
process.once('SIGTERM', () => void stop());
let served = false;
setInterval(() => {
  const busy = server.connections().length > 0;
  if (served && !busy) void stop();
  served ||= busy;
  if (process.ppid === 1) void stop();
}, 20);
