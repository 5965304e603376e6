/**
 * One process of a host has a device. The superblock cannot say so: two services of a host may go by one name, and the
 * second would take what the first has written for its own past, without waiting for anybody to notice. The claim is a
 * socket's name (abstract, unix(7)), which the kernel takes back whatever becomes of the process.
 */
import { createHash } from 'node:crypto';
import { createServer } from 'node:net';
import { ArrayError } from '../../errors/index.ts';

/** @returns gives it back @throws ArrayError EXCLUSIVE_ATTACHED: another process has it */
export function claimOnHost(owner: string, formatId: string): Promise<() => void> {
  // Of another owner on this host a take-over knows what to do.
  const name = createHash('sha256').update(`${owner}\n${formatId}`).digest('hex');
  const server = createServer((socket) => socket.destroy());
  server.unref();
  return new Promise((resolve, reject) => {
    server.once('error', (cause: NodeJS.ErrnoException) => {
      const taken = cause.code === 'EADDRINUSE';
      const message = taken ? 'another process of this host has attached it' : cause.message;
      const code = taken ? 'EXCLUSIVE_ATTACHED' : 'UNREACHABLE';
      reject(new ArrayError(code, message, { nativeCode: cause.code ?? 'unknown', cause }));
    });
    server.listen(`\0rootcast-carved-${name}`, () => resolve(() => server.close()));
  });
}
