/** MOUNT version 3 and the port mapper: one connection each, for as long as one question takes. */
import { type Decode, PlainCall } from '../rpc/plain-call.ts';
import { RpcClient } from '../rpc/rpc-client.ts';
import { openSocket } from '../rpc/socket.ts';
import {
  decodeExports,
  decodeMount,
  encodeMountPath,
  MOUNT_EXPORT,
  MOUNT_MNT,
  MOUNT_PROGRAM,
  MOUNT_UMNT,
  MOUNT_VERSION,
  type ServerExport,
} from '../wire/mount3.ts';
import {
  decodeGetPort,
  encodeGetPort,
  PORTMAP_GETPORT,
  PORTMAP_PROGRAM,
  PORTMAP_VERSION,
} from '../wire/portmap.ts';
import { callTemplate, type SystemCredential } from '../wire/rpc-message.ts';
import { NfsError } from './nfs-error.ts';
import type { ShareOptions } from './rpc-share.ts';

interface Program {
  readonly program: number;
  readonly version: number;
  readonly port: () => Promise<number>;
  readonly credential: SystemCredential | undefined;
}

async function askOnce<T>(
  options: ShareOptions,
  { program, version, port, credential }: Program,
  procedure: number,
  args: Buffer,
  decode: Decode<T>,
): Promise<T> {
  const nothing = callTemplate(program, version, 0, undefined);
  const client = new RpcClient({
    connect: async () => {
      const address = { host: options.server, port: await port() };
      return openSocket({ ...address, reserved: options.reservedPort }, options.random);
    },
    connections: 1,
    patience: options.patience,
    time: options.time,
    random: options.random,
    impatientAtFirst: options.impatientAtFirst === true,
    ping: () => new PlainCall(nothing, Buffer.alloc(0), () => true, false),
  });
  const template = callTemplate(program, version, procedure, credential);
  const call = new PlainCall(template, args, decode, true);
  try {
    client.submit(call);
    return await call.answer;
  } finally {
    client.close();
  }
}

/** @throws Error when the program is not registered; RpcFailure */
export async function portOf(
  options: ShareOptions,
  program: number,
  version: number,
): Promise<number> {
  const mapper = {
    program: PORTMAP_PROGRAM,
    version: PORTMAP_VERSION,
    port: async () => options.portmapPort,
    credential: undefined,
  };
  const args = encodeGetPort(program, version);
  const port = await askOnce(options, mapper, PORTMAP_GETPORT, args, decodeGetPort);
  if (port === 0)
    throw new Error(`the server's port mapper knows no program ${program}.${version}`);
  return port;
}

async function askMount<T>(
  options: ShareOptions,
  procedure: number,
  args: Buffer,
  decode: Decode<T>,
): Promise<T> {
  const { credential, mountPort } = options;
  const port = async () => mountPort ?? portOf(options, MOUNT_PROGRAM, MOUNT_VERSION);
  const program = { program: MOUNT_PROGRAM, version: MOUNT_VERSION, port, credential };
  return askOnce(options, program, procedure, args, decode);
}

/** The handle of the export's folder. @throws NfsError ACCES, NOENT …; RpcFailure */
export async function mountExport(options: ShareOptions): Promise<Buffer> {
  const { path } = options;
  const answer = await askMount(options, MOUNT_MNT, encodeMountPath(path), decodeMount);
  if (answer.status !== 0) throw new NfsError(answer.status, `mounting ${path}`);
  return answer.handle;
}

/** Takes us off the server's list of who mounts. */
export async function unmountExport(options: ShareOptions): Promise<void> {
  await askMount(options, MOUNT_UMNT, encodeMountPath(options.path), () => true);
}

export function listExports(options: ShareOptions): Promise<readonly ServerExport[]> {
  return askMount(options, MOUNT_EXPORT, Buffer.alloc(0), decodeExports);
}
