/**
 * What a user names on the command line to be measured, instead of a server that the benchmark starts:
 *
 *   nbd://HOST:PORT/EXPORT        as it stands, whoever serves it; also nbds://, nbd+unix://, nbds+unix://
 *   machine/NAME   vdisk/NAME     an export of the Rootcast that runs (its data folder, or its address);
 *   volume/REPOSITORY/NAME        through the adapter of its repository
 *   iscsi://HOST:PORT/IQN/LUN     a LUN, by our own initiator; CHAP as libiscsi has it, in the environment:
 *                                 LIBISCSI_CHAP_USERNAME, LIBISCSI_CHAP_PASSWORD
 *   repository:local:FOLDER       a volume of the local adapter in this process, without a network
 *
 * A `%` in it stands for the number of a machine, and is left for the caller to fill in.
 */
import { readFileSync, statSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { ApiClient } from '../../src/cli/api-client.ts';
import { CliError, EXIT_USAGE } from '../../src/cli/cli-error.ts';
import { Fault } from '../../src/errors/index.ts';
import { listNbd, parseNbdUri } from '../../src/nbd/index.ts';
import { ISCSI_URL, parseIscsiUrl } from '../load/iscsi-url.ts';

export interface NamedTarget {
  /** The root of the server's process tree; undefined when it is not on this machine, or not known. */
  readonly pid: number | undefined;
  /** An NBD URI, an iSCSI URL, or `repository:local:FOLDER`. */
  uri(machine: number): string;
}

export interface NamedOptions {
  /** Data folder of the service; ./data unless given. */
  readonly data?: string | undefined;
  /** Address of its REST API; ROOTCAST_SERVER, or what the data folder says, unless given. */
  readonly server?: string | undefined;
  /** ROOTCAST_TOKEN, or what the data folder says, unless given. */
  readonly token?: string | undefined;
  /** The client brings credentials for TLS, so a server that requires TLS is fine. */
  readonly tls?: boolean;
}

/** What the text says, before anybody is asked. */
export type ParsedName =
  | { readonly kind: 'nbd'; readonly uri: string }
  | { readonly kind: 'iscsi'; readonly uri: string }
  | { readonly kind: 'repository'; readonly folder: string }
  | {
      readonly kind: 'export';
      readonly of: 'machine' | 'vdisk' | 'volume';
      /** Of a volume: its repository's, a slash, its own. */
      readonly name: string;
    };

const EXPECTED =
  'nbd://HOST:PORT/EXPORT, nbds://…, nbd+unix:///EXPORT?socket=PATH, machine/NAME, vdisk/NAME, volume/REPOSITORY/NAME, iscsi://HOST:PORT/IQN/LUN or repository:local:FOLDER';
const DEFAULT_NBD_PORT = 10_809;
/** Stands for a machine's number, unless it begins an escaped character. */
const MACHINE_NUMBER = /%(?![0-9a-fA-F]{2})/g;

function wrong(text: string, message: string): CliError {
  return new CliError(EXIT_USAGE, `${text}: ${message}`);
}

/** @throws CliError EXIT_USAGE that names the value and what would be right */
export function parseName(text: string): ParsedName {
  if (/^nbds?(\+[a-z]+)?:/i.test(text)) {
    try {
      parseNbdUri(text.replaceAll(MACHINE_NUMBER, '0'));
    } catch (error) {
      if (error instanceof Fault) throw wrong(text, error.message);
      throw error;
    }
    return { kind: 'nbd', uri: text };
  }
  if (/^iscsi:/i.test(text)) {
    if (parseIscsiUrl(text) === undefined) throw wrong(text, `expected ${ISCSI_URL}`);
    return { kind: 'iscsi', uri: text };
  }
  const repository = /^repository:([^:]*):?(.*)$/.exec(text);
  if (repository !== null) {
    const [, adapter = '', folder = ''] = repository;
    if (adapter === 'local' && folder !== '') return { kind: 'repository', folder };
    const what = adapter === 'local' ? 'the folder is missing' : `there is no adapter '${adapter}'`;
    throw wrong(text, `${what}; expected repository:local:FOLDER`);
  }
  const [, of, name] = /^(machine|vdisk)\/([a-z0-9%][a-z0-9%._-]*)$/.exec(text) ?? [];
  if ((of === 'machine' || of === 'vdisk') && name !== undefined) {
    return { kind: 'export', of, name };
  }
  const [, volume] = /^volume\/([a-z0-9][a-z0-9._-]*\/[a-z0-9%][a-z0-9%._-]*)$/i.exec(text) ?? [];
  if (volume !== undefined) return { kind: 'export', of: 'volume', name: volume };
  throw wrong(text, `that names nothing to measure; expected ${EXPECTED}`);
}

function read(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8').trim();
  } catch {
    return undefined;
  }
}

/** What a service that listens has written into its data folder. */
interface Written {
  readonly http?: string;
  readonly nbd?: string;
  readonly pid?: number;
}

function written(folder: string): Written {
  try {
    return JSON.parse(read(join(folder, 'server.json')) ?? '{}') as Written;
  } catch {
    return {}; // half written: it is just starting
  }
}

/** Somewhere to connect to: a service that listens on every address says so. */
function reachable(nbd: string): string {
  return nbd.replace('//0.0.0.0:', '//127.0.0.1:').replace('//[::]:', '//[::1]:');
}

interface Service {
  readonly server: string;
  readonly token: string;
  readonly nbd: string;
  readonly pid: number | undefined;
}

/** @throws CliError EXIT_USAGE when there is no trace of a service */
function findService(text: string, options: NamedOptions): Service {
  const folder = resolve(options.data ?? 'data');
  const found = written(folder);
  const server = options.server ?? process.env['ROOTCAST_SERVER'] ?? found.http;
  const token = options.token ?? process.env['ROOTCAST_TOKEN'] ?? read(join(folder, 'admin.token'));
  const host = server === undefined ? undefined : URL.parse(server)?.hostname;
  if (server === undefined || host === undefined || token === undefined) {
    const what = host === undefined ? `no Rootcast serves from ${folder}` : 'there is no token';
    const how = `run this where its data folder is, as ./data, or give ROOTCAST_SERVER and ROOTCAST_TOKEN, or name the export: nbd://HOST:PORT/${text}`;
    throw wrong(text, `${what}; ${how}`);
  }
  const isLocal = found.http === server && found.nbd !== undefined;
  if (isLocal) return { server, token, nbd: reachable(found.nbd ?? ''), pid: found.pid };
  // Its API does not say where NBD listens.
  return { server, token, nbd: `nbd://${host}:${DEFAULT_NBD_PORT}`, pid: undefined };
}

/** @throws CliError EXIT_USAGE when plain NBD does not get through to it */
async function tryNbd(text: string, nbd: string): Promise<void> {
  try {
    await listNbd(nbd);
  } catch (error) {
    if (!(error instanceof Fault)) throw error;
    const address = nbd.replace('nbd://', '');
    throw wrong(
      text,
      error.code === 'PERMISSION_DENIED'
        ? `its NBD server at ${address} requires TLS; give --tls-ca FILE (and --tls-cert and --tls-key where it asks for a client's certificate) or --tls-psk FILE`
        : `its NBD server does not answer at ${address} (${error.message}); name it: nbd://HOST:PORT/${text}`,
    );
  }
}

async function resolveExport(
  text: string,
  { of, name }: ParsedName & { kind: 'export' },
  options: NamedOptions,
): Promise<NamedTarget> {
  const { server, token, nbd, pid } = findService(text, options);
  const first = name.replaceAll(MACHINE_NUMBER, '0');
  await new ApiClient(server, token, { fetch, user: 'rootcast bench' }).call(
    'GET',
    of === 'volume' ? volumePath(first) : `/${of}s/${encodeURIComponent(first)}`,
  );
  if (options.tls !== true) await tryNbd(text, nbd);
  return { pid, uri: () => `${nbd}/${of}/${name}` };
}

function volumePath(name: string): string {
  const [repository = '', volume = ''] = name.split('/').map(encodeURIComponent);
  return `/repositories/${repository}/volumes/${volume}`;
}

/**
 * @throws CliError EXIT_USAGE (the value, and what would be right), EXIT_REFUSED (the service knows no
 *   such export, or not this token), EXIT_UNREACHABLE
 */
export async function resolveNamed(text: string, options: NamedOptions = {}): Promise<NamedTarget> {
  const parsed = parseName(text);
  switch (parsed.kind) {
    case 'nbd':
    case 'iscsi':
      return { pid: undefined, uri: () => text };
    case 'export':
      return await resolveExport(text, parsed, options);
    case 'repository':
      if (statSync(parsed.folder, { throwIfNoEntry: false })?.isDirectory() !== true) {
        throw wrong(text, `there is no folder ${resolve(parsed.folder)}`);
      }
      return { pid: undefined, uri: () => text };
  }
}
