/** Which server, and with which token. */
import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { CliError, EXIT_USAGE } from './cli-error.ts';
import type { CliIo } from './cli-io.ts';

export interface Target {
  readonly server: string;
  readonly token: string;
}

export interface TargetOptions {
  readonly server?: string;
  readonly data?: string;
}

const DEFAULT_SERVER = 'http://127.0.0.1:8480';
/** The service's own default. */
const DEFAULT_DATA = './data';

/**
 * The address: --server, ROOTCAST_SERVER, what the service wrote into its data folder, the default.
 * The token: ROOTCAST_TOKEN (as for the service, which then ignores its file), the data folder's.
 * @throws CliError EXIT_USAGE
 */
export function findTarget(options: TargetOptions, io: CliIo): Target {
  const folder = resolve(io.cwd, options.data ?? DEFAULT_DATA);
  const server =
    options.server ??
    nonEmpty(io.env['ROOTCAST_SERVER']) ??
    writtenServer(folder) ??
    DEFAULT_SERVER;
  if (!/^https?:$/.test(URL.parse(server)?.protocol ?? '')) {
    throw new CliError(EXIT_USAGE, `--server ${server} is not a URL such as ${DEFAULT_SERVER}`);
  }
  const token = nonEmpty(io.env['ROOTCAST_TOKEN']) ?? nonEmpty(read(join(folder, 'admin.token')));
  if (token === undefined) {
    throw new CliError(
      EXIT_USAGE,
      `no token: give --data DIR of the service (there is no readable ${join(folder, 'admin.token')}), or ROOTCAST_TOKEN`,
    );
  }
  return { server, token };
}

/** `{"http": "http://127.0.0.1:8480"}`, written by a service that listens. */
function writtenServer(folder: string): string | undefined {
  const text = read(join(folder, 'server.json'));
  if (text === undefined) return undefined;
  try {
    const { http }: { http?: unknown } = JSON.parse(text);
    return typeof http === 'string' ? http : undefined;
  } catch {
    return undefined; // half written: the service is just starting
  }
}

function read(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8').trim();
  } catch {
    return undefined;
  }
}

function nonEmpty(text: string | undefined): string | undefined {
  return text === undefined || text.trim() === '' ? undefined : text.trim();
}
