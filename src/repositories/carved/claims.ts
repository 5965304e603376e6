/**
 * One process of a host has a device, and has it once. The superblock cannot say so: two services of a host may go by
 * one name, and the second would take what the first has written for its own past, without waiting for anybody to
 * notice. The host's claim is a socket's name (abstract, unix(7)), which the kernel takes back whatever becomes of the
 * process.
 */
import { createHash } from 'node:crypto';
import { createServer } from 'node:net';
import { ArrayError } from '../../errors/index.ts';

/** What is claimed in this process: repositories by their id, devices by their format id. */
const claimed = new Set<string>();

/** Claims that are given back together. */
export class Claims {
  readonly #names: string[] = [];
  #giveBack: (() => void) | undefined;

  /** @throws ArrayError EXCLUSIVE_ATTACHED */
  inProcess(name: string): void {
    if (claimed.has(name)) {
      throw new ArrayError('EXCLUSIVE_ATTACHED', 'this process has attached it already');
    }
    claimed.add(name);
    this.#names.push(name);
  }

  /** @throws ArrayError EXCLUSIVE_ATTACHED: another process has it */
  async onHost(owner: string, formatId: string): Promise<void> {
    this.#giveBack = await claimOnHost(owner, formatId);
  }

  release(): void {
    for (const name of this.#names.splice(0)) claimed.delete(name);
    this.#giveBack?.();
    this.#giveBack = undefined;
  }
}

function claimOnHost(owner: string, formatId: string): Promise<() => void> {
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
