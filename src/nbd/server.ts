/**
 * The NBD server: listening sockets, the connections they bring, and the end of it all.
 */
import { createServer, type Server as NetServer, type Socket } from 'node:net';
import { Fault } from '../errors/index.ts';
import type { ExportProvider } from '../exports/index.ts';
import { adoptSocket } from './adopted-socket.ts';
import { Budget } from './budget.ts';
import { BufferPool } from './buffer-pool.ts';
import { BusyPoll } from './busy-poll.ts';
import { Coalescer, threadHost } from './coalescer.ts';
import { Connection, type ConnectionInfo } from './connection.ts';
import { DEFAULT_LIMITS, type NbdLimits, READ_BUFFER_BYTES } from './limits.ts';
import { type Logger, SILENT } from './logger.ts';
import { LostPeers } from './lost-peers.ts';
import { MachineTurns } from './machine-turn.ts';
import type { Shared } from './shared.ts';
import { SlabPool } from './slab-pool.ts';
import { REAL_TIME, type Timers } from './timers.ts';
import { type TlsSettings, TlsUpgrader } from './tls.ts';

export type ListenTarget =
  /** `port` 0 takes a free one; `reusePort` lets several processes or threads share it. */
  | { readonly host?: string; readonly port: number; readonly reusePort?: boolean }
  /** A Unix socket. */
  | { readonly path: string }
  /** A listening descriptor of somebody else: systemd, or the main thread. */
  | { readonly fd: number };

export type ListenAddress =
  | { readonly host: string; readonly port: number }
  | { readonly path: string };

export interface NbdServerOptions {
  readonly exports: ExportProvider;
  /** Absent: plain text only. */
  readonly tls?: TlsSettings;
  /** What differs from DEFAULT_LIMITS. */
  readonly limits?: Partial<NbdLimits>;
  readonly log?: Logger;
  readonly timers?: Timers;
  /**
   * Let requests gather by putting the thread to sleep for 60 to 160 µs while only clients with many
   * requests in flight are served (coalescer.ts). For threads that do nothing else. Default: false.
   */
  readonly coalesce?: boolean;
  /**
   * Stay awake for some 50 µs after answering a client that waits for each answer (busy-poll.ts): half
   * the latency, for a thread that is busy all the time while such a client is. Default: false.
   */
  readonly busyPoll?: boolean;
  /** A client entered the transmission phase of an export. */
  readonly onConnection?: (connection: ConnectionInfo) => void;
  /** A client that had entered left, and its export is closed. */
  readonly onDisconnection?: (connection: ConnectionInfo) => void;
}

export interface NbdServer {
  /**
   * Starts to accept; may be called several times for several sockets.
   * @throws Fault ADDRESS_IN_USE, PERMISSION_DENIED, INVALID_INPUT (no such address) or UNAVAILABLE
   *   (the server is closed)
   */
  listen(target: ListenTarget): Promise<ListenAddress | undefined>;
  /** Where the first `listen` listens; undefined before it, and for a foreign descriptor. */
  address(): ListenAddress | undefined;
  /** Serves a socket that was accepted elsewhere. */
  accept(socket: Socket): void;
  connections(): readonly ConnectionInfo[];
  /**
   * Ends all connections of an export. Resolves when they are gone.
   * @param atOnce closes them; otherwise what they sent is answered first
   */
  endExport(name: string, atOnce?: boolean): Promise<void>;
  /**
   * Stops accepting, answers every accepted request but none that comes after, closes. After
   * `timeoutMs` whoever is left is dropped, and a request that the device still works on is left to
   * it. Resolves to how many connections were dropped.
   */
  drain(timeoutMs: number): Promise<number>;
  /** Closes everything at once. Resolves when all exports are closed. */
  close(): Promise<void>;
}

export function createNbdServer(options: NbdServerOptions): NbdServer {
  return new Server(options);
}

class Server implements NbdServer {
  readonly #shared: Shared;
  readonly #options: NbdServerOptions;
  readonly #readBuffer = Buffer.allocUnsafeSlow(READ_BUFFER_BYTES);
  readonly #listeners: NetServer[] = [];
  readonly #connections = new Map<number, Connection>();
  /** Called at each closed connection, by those who wait for some to go. */
  readonly #waiting = new Set<() => void>();
  readonly #lostPeers: LostPeers;
  #address: ListenAddress | undefined;
  #nextId = 1;
  #closing = false;

  constructor(options: NbdServerOptions) {
    const limits: NbdLimits = { ...DEFAULT_LIMITS, ...options.limits };
    const { tls } = options;
    this.#options = options;
    this.#shared = {
      exports: options.exports,
      limits,
      log: options.log ?? SILENT,
      timers: options.timers ?? REAL_TIME,
      budget: new Budget(limits.totalBytesInFlight),
      buffers: new BufferPool(limits.pooledBytes),
      slabs: new SlabPool(),
      turns: new MachineTurns(),
      busyPoll: options.busyPoll === true ? new BusyPoll(threadHost()) : undefined,
      coalescer: options.coalesce === true ? new Coalescer(threadHost()) : undefined,
      tls: tls === undefined ? undefined : { mode: tls.mode, upgrader: new TlsUpgrader(tls) },
    };
    const peers = (): readonly Connection[] => [...this.#connections.values()];
    this.#lostPeers = new LostPeers(peers, limits.unacknowledgedMs, this.#shared.timers);
  }

  listen(target: ListenTarget): Promise<ListenAddress | undefined> {
    if (this.#closing) return Promise.reject(new Fault('UNAVAILABLE', 'the NBD server is closed'));
    // Half-open: a client that closes its side still gets its answers.
    const listener = createServer({ allowHalfOpen: true, pauseOnConnect: true }, (socket) =>
      this.accept(adoptSocket(socket, this.#readBuffer)),
    );
    return new Promise((resolve, reject) => {
      listener.once('error', (error: NodeJS.ErrnoException) => reject(listenFault(error, target)));
      listener.listen({ ...target, backlog: 511 }, () => {
        listener.removeAllListeners('error');
        listener.on('error', (error) => {
          this.#shared.log.error({ err: error }, 'accepting connections failed');
        });
        this.#listeners.push(listener);
        const address = listenAddress(listener);
        this.#address ??= address;
        resolve(address);
      });
    });
  }

  address(): ListenAddress | undefined {
    return this.#address;
  }

  accept(socket: Socket): void {
    const { limits, log } = this.#shared;
    if (this.#closing || this.#connections.size >= limits.connections) {
      if (!this.#closing) log.warn({ limit: limits.connections }, 'too many NBD connections');
      socket.destroy();
      return;
    }
    const id = this.#nextId;
    this.#nextId += 1;
    const connection = new Connection(id, socket, this.#shared, {
      onEntered: (entered) => this.#options.onConnection?.(entered.info()),
      onClosed: (closed) => this.#onClosed(closed),
    });
    this.#connections.set(id, connection);
    this.#lostPeers.watch();
  }

  connections(): readonly ConnectionInfo[] {
    return [...this.#connections.values()].map((connection) => connection.info());
  }

  async endExport(name: string, atOnce = false): Promise<void> {
    const ending = [...this.#connections.values()].filter(
      (connection) => connection.info().exportName === name,
    );
    for (const connection of ending) {
      if (atOnce) connection.destroy();
      else connection.drain('the export is being closed');
    }
    await this.#until(() => ending.every(({ id }) => !this.#connections.has(id)));
  }

  drain(timeoutMs: number): Promise<number> {
    this.#stopListening();
    for (const connection of this.#connections.values()) {
      connection.drain('the server is shutting down');
    }
    return new Promise((resolve) => {
      const cancel = this.#shared.timers.after(timeoutMs, () => {
        const dropped = this.#connections.size;
        for (const connection of this.#connections.values()) connection.destroy();
        // A device that hangs must not keep the process from leaving: not waited for.
        resolve(dropped);
      });
      void this.#until(() => this.#connections.size === 0).then(() => {
        cancel();
        resolve(0);
      });
    });
  }

  async close(): Promise<void> {
    this.#stopListening();
    for (const connection of this.#connections.values()) connection.destroy();
    await this.#until(() => this.#connections.size === 0);
  }

  #stopListening(): void {
    this.#closing = true;
    for (const listener of this.#listeners.splice(0)) listener.close();
  }

  #onClosed(connection: Connection): void {
    this.#connections.delete(connection.id);
    const info = connection.info();
    if (info.exportName !== undefined) this.#options.onDisconnection?.(info);
    for (const look of [...this.#waiting]) look();
  }

  #until(condition: () => boolean): Promise<void> {
    if (condition()) return Promise.resolve();
    return new Promise((resolve) => {
      const look = (): void => {
        if (!condition()) return;
        this.#waiting.delete(look);
        resolve();
      };
      this.#waiting.add(look);
    });
  }
}

function listenAddress(listener: NetServer): ListenAddress | undefined {
  const address = listener.address();
  if (address === null) return undefined;
  if (typeof address === 'string') return { path: address };
  return { host: address.address, port: address.port };
}

function listenFault(error: NodeJS.ErrnoException, target: ListenTarget): Fault {
  const details = { field: 'nbd', value: target };
  switch (error.code) {
    case 'EADDRINUSE':
      return new Fault('ADDRESS_IN_USE', 'the NBD address is in use', details, { cause: error });
    case 'EACCES':
    case 'EPERM':
      return new Fault('PERMISSION_DENIED', 'the NBD address may not be used', details, {
        cause: error,
      });
    default:
      return new Fault('INVALID_INPUT', `cannot listen: ${error.message}`, details, {
        cause: error,
      });
  }
}
