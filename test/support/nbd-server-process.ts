/**
 * Our NBD server in a process of its own, for tests that drive it with other programs.
 *
 * Exports: `disk` (also the default export, writable memory), `read-only` (the same size, a pattern),
 * `huge` (64 TiB, sparse memory), `aligned` (minimum block 4096).
 *
 *   node test/support/nbd-server-process.ts '{"socket":"/tmp/nbd.sock"}'
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { type BlockDevice, MemoryDevice, PLAIN, ReadOnlyDevice } from '../../src/block/index.ts';
import { Fault } from '../../src/errors/index.ts';
import type { ExportProvider } from '../../src/exports/index.ts';
import { createNbdServer, type TlsSettings } from '../../src/nbd/index.ts';

const MIB = 1024 * 1024;
const TIB = 1024 * 1024 * MIB;

export interface NbdServerConfig {
  /** Bytes of `disk`, `read-only` and `aligned`; 128 MiB unless given. */
  readonly size?: number;
  /** A Unix socket to listen on besides the TCP port. */
  readonly socket?: string;
  readonly tls?: {
    readonly mode: 'allowed' | 'required';
    /** Folder of test/support/nbd-tls-files.ts; X.509 with client certificates when `x509` says so. */
    readonly directory: string;
    readonly x509?: 'none' | 'required';
    readonly psk?: boolean;
  };
}

/** What reads as this pattern: the number of each 8-byte word, so that a misplaced block shows. */
export function fillPattern(target: Buffer, offset: number): void {
  for (let at = 0; at + 8 <= target.length; at += 8) {
    target.writeUInt32BE(Math.floor((offset + at) / 2 ** 32), at);
    target.writeUInt32BE((offset + at) % 2 ** 32, at + 4);
  }
}

function patternDevice(size: number): BlockDevice {
  const device = new MemoryDevice({ size });
  const block = Buffer.alloc(MIB);
  // Data in the first quarter, a hole after it.
  for (let offset = 0; offset < size / 4; offset += MIB) {
    fillPattern(block, offset);
    device.write(block, offset, PLAIN);
  }
  return new ReadOnlyDevice(device);
}

export function testExports(size: number): ExportProvider {
  const devices: Readonly<Record<string, BlockDevice>> = {
    disk: new MemoryDevice({ size }),
    'read-only': patternDevice(size),
    huge: new MemoryDevice({ size: 64 * TIB }),
    aligned: new MemoryDevice({ size, minimumIo: 4096 }),
  };
  const describe = (name: string) => `test export ${name}`;
  return {
    list: () => Object.keys(devices).map((name) => ({ name, description: describe(name) })),
    open(asked) {
      const name = asked === '' ? 'disk' : asked;
      const device = Object.hasOwn(devices, name) ? devices[name] : undefined;
      if (device === undefined) throw new Fault('EXPORT_NOT_FOUND', `no export '${asked}'`);
      const readOnly = !device.capabilities.write;
      const close = () => Promise.resolve();
      return { name, description: describe(name), device, readOnly, close };
    },
  };
}

export function tlsSettings(tls: NonNullable<NbdServerConfig['tls']>): TlsSettings {
  const file = (name: string) => readFileSync(join(tls.directory, name));
  const keys = new Map<string, Buffer>();
  if (tls.psk === true) {
    for (const line of file('keys.psk').toString().trim().split('\n')) {
      const [identity, hex] = line.split(':');
      keys.set(identity!, Buffer.from(hex!, 'hex'));
    }
  }
  return {
    mode: tls.mode,
    ...(tls.x509 === undefined
      ? {}
      : {
          x509: {
            key: file('server-key.pem'),
            cert: file('server-cert.pem'),
            ca: file('ca-cert.pem'),
            clientCertificates: tls.x509,
          },
        }),
    ...(tls.psk === true ? { psk: (identity: string) => keys.get(identity) } : {}),
  };
}

export interface NbdServerProcess {
  readonly pid: number;
  readonly host: string;
  readonly port: number;
  /** What the server wrote to its standard error. */
  errors(): string;
  /** SIGTERM; the exit code after draining. */
  stop(): Promise<number | null>;
}

export async function startNbdServer(config: NbdServerConfig = {}): Promise<NbdServerProcess> {
  const script = new URL(import.meta.url).pathname;
  const child: ChildProcess = spawn(process.execPath, [script, JSON.stringify(config)], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let errors = '';
  child.stderr?.on('data', (bytes: Buffer) => {
    errors += bytes.toString();
  });
  const exited = new Promise<number | null>((resolve) => child.once('exit', resolve));
  const line = await new Promise<string>((resolve, reject) => {
    createInterface({ input: child.stdout! }).once('line', resolve);
    void exited.then((code) => reject(new Error(`the server exited with ${code}: ${errors}`)));
  });
  const { host, port } = JSON.parse(line) as { host: string; port: number };
  return {
    pid: child.pid!,
    host,
    port,
    errors: () => errors,
    stop: () => {
      child.kill('SIGTERM');
      return exited;
    },
  };
}

async function main(config: NbdServerConfig): Promise<void> {
  const server = createNbdServer({
    exports: testExports(config.size ?? 128 * MIB),
    ...(config.tls === undefined ? {} : { tls: tlsSettings(config.tls) }),
  });
  const address = await server.listen({ host: '127.0.0.1', port: 0 });
  if (config.socket !== undefined) await server.listen({ path: config.socket });
  console.log(JSON.stringify(address));
  process.once('SIGTERM', async () => {
    await server.drain(5_000);
    process.exit(0);
  });
}

if (import.meta.main) await main(JSON.parse(process.argv[2] ?? '{}') as NbdServerConfig);
