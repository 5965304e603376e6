import type { Server, Socket } from 'node:net';
import type { FastifyInstance } from 'fastify';
import { Fault } from '../errors/index.ts';
import type { HostPort } from './config/index.ts';

/** Connections of each server, those among them that its HTTP does not know yet: a TLS handshake takes its time. */
const CONNECTIONS = new WeakMap<Server, Set<Socket>>();

/** Listens and returns the URL; a refusal becomes a Fault that names the setting. */
export async function listenHttp(
  app: FastifyInstance,
  { host, port }: HostPort,
  setting: 'http.listen' | 'xenapi.listen',
): Promise<string> {
  followConnections(app.server);
  try {
    return await app.listen({ host, port });
  } catch (cause) {
    await app.close();
    throw listenFault(setting, `${host}:${port}`, cause);
  }
}

function followConnections(server: Server): void {
  const open = new Set<Socket>();
  CONNECTIONS.set(server, open);
  server.on('connection', (socket: Socket) => {
    open.add(socket);
    socket.once('close', () => open.delete(socket));
  });
}

/** Requests under way get so long to end when the service stops. */
const STOP_GRACE_MS = 2_000;

/**
 * Stops listening and answers what was asked. A connection on which nothing was asked yet, or half a
 * request, is not idle to Node: without a limit anybody who connects could keep the service from
 * stopping for ever.
 * @param close closes the server, with what stands on it
 */
export async function closeHttp(
  app: FastifyInstance,
  close: () => Promise<unknown> = () => app.close(),
): Promise<void> {
  const cutOff = setTimeout(() => {
    for (const socket of CONNECTIONS.get(app.server) ?? []) socket.destroy();
  }, STOP_GRACE_MS);
  try {
    await close();
  } finally {
    clearTimeout(cutOff);
  }
}

/** Why a listener could not start, in terms of its setting. */
export function listenFault(field: string, value: string, cause: unknown): Fault {
  const { code, message } = cause as NodeJS.ErrnoException;
  const details = { field, value };
  switch (code) {
    case 'EADDRINUSE':
      return new Fault(
        'ADDRESS_IN_USE',
        `${field}: ${value} is taken by another program (ss -ltnp shows which); choose another port or stop it`,
        { ...details, expected: 'a free port' },
        { cause },
      );
    case 'EACCES':
    case 'EPERM':
      return new Fault(
        'PERMISSION_DENIED',
        `${field}: this user may not listen on ${value}; run as root, give CAP_NET_BIND_SERVICE, or choose a port above 1023`,
        details,
        { cause },
      );
    default:
      return new Fault(
        'INVALID_INPUT',
        `${field}: cannot listen on ${value}: ${message}`,
        details,
        { cause },
      );
  }
}
