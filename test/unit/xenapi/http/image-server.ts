/** The routes on a loopback port, and clients that see every byte. */
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import fastify, { type FastifyInstance } from 'fastify';
import type { ImageRouteOptions } from '../../../../src/xenapi/http/admission.ts';
import { imageRoutes } from '../../../../src/xenapi/http/image-routes.ts';
import { MemoryImagePort } from './memory-image-port.ts';

export interface ImageServer {
  readonly port: MemoryImagePort;
  readonly number: number;
  readonly log: { readonly what: string; readonly error: unknown }[];
  close(): Promise<void>;
}

export async function imageServer(
  more: Partial<ImageRouteOptions> = {},
  prepare: (app: FastifyInstance) => void = () => undefined,
  https?: { readonly key: Buffer; readonly cert: Buffer },
): Promise<ImageServer> {
  const common = { requestTimeout: 0, forceCloseConnections: true };
  const app = (https === undefined
    ? fastify(common)
    : fastify({ ...common, https })) as unknown as FastifyInstance;
  const port = new MemoryImagePort();
  const log: { what: string; error: unknown }[] = [];
  imageRoutes(app, {
    port,
    temporaryFolder: tmpdir(),
    log: (what, error) => log.push({ what, error }),
    now: () => performance.now(),
    lingerMs: 50,
    ...more,
  });
  prepare(app);
  await app.listen({ host: '127.0.0.1', port: 0 });
  const address = app.server.address();
  if (address === null || typeof address === 'string') throw new Error('it does not listen');
  return { port, number: address.port, log, close: () => app.close() };
}

export interface RawAnswer {
  readonly status: number;
  /** Names in lower case. */
  readonly headers: ReadonlyMap<string, string>;
  readonly head: string;
  readonly body: Buffer;
  /** Whether the connection ended as a whole answer does, or broke. */
  readonly end: 'closed' | 'reset';
}

export function dial(server: ImageServer): Socket {
  return connect({ host: '127.0.0.1', port: server.number });
}

/** Everything that the server says until the connection is at its end. */
export async function answerOn(socket: Socket): Promise<RawAnswer> {
  const pieces: Buffer[] = [];
  let end: RawAnswer['end'] = 'closed';
  socket.on('data', (piece: Buffer) => pieces.push(piece));
  socket.on('error', () => {
    end = 'reset';
  });
  await new Promise<void>((resolve) => {
    socket.once('close', () => resolve());
  });
  return parsed(Buffer.concat(pieces), end);
}

function parsed(bytes: Buffer, end: RawAnswer['end']): RawAnswer {
  const mark = bytes.indexOf('\r\n\r\n');
  const head = bytes.toString('latin1', 0, Math.max(mark, 0));
  const [first = '', ...lines] = head.split('\r\n');
  const headers = new Map<string, string>();
  for (const line of lines) {
    const colon = line.indexOf(':');
    headers.set(line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim());
  }
  const status = Number(first.split(' ')[1] ?? 0);
  return { status, headers, head, body: bytes.subarray(mark < 0 ? bytes.length : mark + 4), end };
}

export interface RawRequest {
  readonly method: 'GET' | 'PUT';
  readonly path: string;
  readonly query?: Readonly<Record<string, string>>;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Buffer;
}

export function headOf({ method, path, query = {}, headers = {}, body }: RawRequest): string {
  const search = new URLSearchParams(query).toString();
  const all: Record<string, string> = { host: 'localhost', ...headers };
  if (method === 'PUT' && all['content-length'] === undefined && body !== undefined) {
    all['content-length'] = String(body.length);
  }
  const lines = Object.entries(all).map(([name, value]) => `${name}: ${value}\r\n`);
  return `${method} ${path}${search === '' ? '' : `?${search}`} HTTP/1.1\r\n${lines.join('')}\r\n`;
}

export async function ask(server: ImageServer, request: RawRequest): Promise<RawAnswer> {
  const socket = dial(server);
  socket.write(headOf(request));
  if (request.body !== undefined) socket.write(request.body);
  return answerOn(socket);
}
