/**
 * One client, from accept to close: the socket, the phase it is in, and the way out.
 *
 * Ends: `drop` (at once, nothing more is sent), `end` (what is written is sent, then FIN; input is
 * thrown away until the client closes too, else the reset could overtake our last replies).
 */
import type { Socket } from 'node:net';
import type { ExportClient, OpenExport } from '../exports/index.ts';
import { type Counters, newCounters } from './counters.ts';
import type { HandshakePolicy } from './handshake.ts';
import { type Entered, HandshakeSession } from './handshake-session.ts';
import type { Peer } from './lost-peers.ts';
import { peerName, socketKey } from './retransmissions.ts';
import type { Shared } from './shared.ts';
import { TransmissionPhase } from './transmission-phase.ts';
import { encodeGreeting } from './wire/index.ts';

/** A connection as others may see it. */
export interface ConnectionInfo {
  /** Unique within the server. */
  readonly id: number;
  /** `192.0.2.7:51234`, or `unix`. */
  readonly address: string;
  readonly tls: boolean;
  readonly identity: string | undefined;
  /** Canonical name; undefined during the handshake. */
  readonly exportName: string | undefined;
  /** Milliseconds since the epoch. */
  readonly connectedAt: number;
  /** Live: read it whenever needed. */
  readonly counters: Readonly<Counters>;
  /** Replies that the client has not taken yet, in bytes. */
  readonly unsentBytes: number;
}

export interface ConnectionEvents {
  /** The client has entered the transmission phase of an export. */
  onEntered(connection: Connection): void;
  /** Everything of it is closed, its export too. */
  onClosed(connection: Connection): void;
}

type Phase =
  | { readonly name: 'handshake'; readonly session: HandshakeSession }
  | {
      readonly name: 'transmission';
      readonly transmission: TransmissionPhase;
      readonly opened: OpenExport;
    };

export class Connection implements Peer {
  readonly id: number;
  readonly key: string | undefined;
  readonly #shared: Shared;
  readonly #events: ConnectionEvents;
  readonly #connectedAt: number;
  readonly #address: string;
  readonly #counters: Counters = newCounters();
  #socket: Socket;
  #tls = false;
  #identity: string | undefined;
  #phase: Phase;
  #draining = false;
  #ending = false;
  #closed = false;
  #cancelDeadline: () => void;
  #cancelLinger: (() => void) | undefined;
  readonly #onData = (chunk: Buffer): void => this.#data(chunk);
  readonly #onEnd = (): void => this.#ended();

  constructor(id: number, socket: Socket, shared: Shared, events: ConnectionEvents) {
    this.id = id;
    this.#shared = shared;
    this.#events = events;
    this.#connectedAt = shared.timers.now();
    const peer = addressOf(socket);
    this.#address = peer ?? 'unix';
    this.key = peer && socketKey(socket.localPort ?? 0, peer);
    this.#socket = socket;
    this.#phase = { name: 'handshake', session: this.#newHandshake() };
    this.#cancelDeadline = shared.timers.after(shared.limits.handshakeMs, () =>
      this.#drop('the handshake took too long'),
    );
    socket.setNoDelay(true);
    socket.setKeepAlive(true, shared.limits.keepAliveMs);
    this.#listen(socket);
    socket.write(encodeGreeting());
  }

  info(): ConnectionInfo {
    const phase = this.#phase;
    const entered = phase.name === 'transmission';
    return {
      id: this.id,
      address: this.#address,
      tls: this.#tls,
      identity: this.#identity,
      exportName: entered ? phase.opened.name : undefined,
      connectedAt: this.#connectedAt,
      counters: this.#counters,
      unsentBytes: entered ? phase.transmission.unsent : 0,
    };
  }

  /** Answers what was accepted, and ends. */
  drain(reason: string): void {
    if (this.#draining) return;
    this.#draining = true;
    if (this.#phase.name === 'transmission') this.#phase.transmission.drain(reason);
    else {
      this.#cancelDeadline();
      this.#cancelDeadline = this.#shared.timers.after(this.#shared.limits.drainHandshakeMs, () =>
        this.#end(reason),
      );
    }
  }

  get requests(): number {
    return this.#counters.requests;
  }

  lost(): void {
    this.#drop('its host acknowledges nothing any more');
    // One that has its last replies still to be sent would wait for that.
    this.#socket.destroy();
  }

  /** Closes at once. */
  destroy(): void {
    this.#socket.destroy();
  }

  #client(): ExportClient {
    return { address: this.#address, tls: this.#tls, identity: this.#identity };
  }

  #policy(): HandshakePolicy {
    const { tls, limits } = this.#shared;
    return {
      tls: tls?.mode ?? 'off',
      draining: this.#draining,
      maximumOptions: limits.options,
    };
  }

  #newHandshake(): HandshakeSession {
    const { exports, limits, log } = this.#shared;
    return new HandshakeSession(
      { exports, limits, log },
      {
        policy: () => this.#policy(),
        client: () => this.#client(),
        send: (bytes) => void this.#socket.write(bytes),
        pause: () => void this.#socket.pause(),
        resume: () => {
          if (this.#phase.name === 'handshake') this.#socket.resume();
        },
        startTls: () => this.#startTls(),
        end: (reason) => this.#end(reason),
        drop: (reason) => this.#drop(reason),
        enter: (entered, rest) => this.#enter(entered, rest),
      },
    );
  }

  #listen(socket: Socket): void {
    socket.on('data', this.#onData);
    socket.resume();
    socket.on('end', this.#onEnd);
    socket.once('close', () => void this.#onClose());
    socket.on('error', (error) => {
      this.#shared.log.debug({ err: error, client: this.#address }, 'connection error');
    });
  }

  #data(chunk: Buffer): void {
    if (this.#ending) return;
    if (this.#phase.name === 'transmission') this.#phase.transmission.data(chunk);
    else this.#phase.session.push(Buffer.from(chunk)); // it keeps what it gets, see adoptSocket
  }

  #ended(): void {
    if (this.#phase.name === 'transmission' && !this.#ending) {
      this.#phase.transmission.leave('the client closed its side');
    } else this.#socket.destroySoon();
  }

  async #startTls(): Promise<void> {
    const { tls } = this.#shared;
    const plain = this.#socket;
    if (tls === undefined) throw new Error('TLS is not configured');
    plain.off('data', this.#onData);
    plain.off('end', this.#onEnd);
    // Bytes that Node has read and not yet given out were sent before our ACK, in plain text.
    if (plain.readableLength > 0) throw new Error('plain text after NBD_OPT_STARTTLS');
    const { socket, identity } = await tls.upgrader.upgrade(plain);
    this.#socket = socket;
    this.#tls = true;
    this.#identity = identity;
    this.#listen(socket);
  }

  #enter(entered: Entered, rest: Buffer): void {
    this.#cancelDeadline();
    const { opened } = entered;
    const transmission = new TransmissionPhase(
      this.#shared,
      {
        socket: this.#socket,
        read: (on) => {
          if (on) this.#socket.resume();
          else this.#socket.pause();
        },
        end: (reason) => this.#end(reason),
        drop: (reason) => this.#drop(reason),
      },
      entered,
      this.#counters,
      { client: this.#address, export: opened.name },
    );
    this.#phase = { name: 'transmission', transmission, opened };
    this.#shared.log.info(
      { client: this.#address, export: opened.name, tls: this.#tls, identity: this.#identity },
      'client entered',
    );
    this.#events.onEntered(this);
    this.#socket.resume();
    if (rest.length > 0) transmission.data(rest);
    if (this.#draining) transmission.drain('the server is shutting down');
  }

  #end(reason: string): void {
    if (this.#ending || this.#closed) return;
    this.#ending = true;
    this.#shared.log.debug({ client: this.#address, reason }, 'connection ends');
    this.#socket.end();
    this.#socket.resume();
    // Only once everything is sent: until then a slow client is a slow client.
    this.#socket.once('finish', () => {
      this.#cancelLinger = this.#shared.timers.after(this.#shared.limits.lingerMs, () =>
        this.#socket.destroy(),
      );
    });
  }

  #drop(reason: string): void {
    if (this.#ending) return;
    this.#ending = true;
    this.#shared.log.info({ client: this.#address, reason }, 'connection dropped');
    this.#socket.destroy();
  }

  async #onClose(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.#cancelDeadline();
    this.#cancelLinger?.();
    this.#socket.destroy();
    const phase = this.#phase;
    if (phase.name === 'handshake') phase.session.close();
    else {
      await phase.transmission.close();
      try {
        await phase.opened.close();
      } catch (error) {
        const details = { err: error, export: phase.opened.name };
        this.#shared.log.error(details, 'an export failed to close');
      }
      this.#shared.log.info(
        { client: this.#address, export: phase.opened.name, ...this.#counters },
        'client left',
      );
    }
    this.#events.onClosed(this);
  }
}

function addressOf({ remoteAddress, remotePort }: Socket): string | undefined {
  return remoteAddress === undefined || remotePort === undefined
    ? undefined
    : peerName(remoteAddress, remotePort);
}
