/**
 * One session with one portal of a target: it logs in, and when the connection ends it logs in again, under the
 * same ISID, until it is closed. The target then forgets the old session and every command of it (session
 * reinstatement, RFC 7143 6.3.5), so that a command that is sent again cannot be overtaken by its own ghost.
 */
import type { Isid, Lun, Sense } from '../wire/index.ts';
import { Connection, type ConnectionOptions } from './connection.ts';
import { IscsiError } from './iscsi-error.ts';
import { RECONNECT_FIRST_MS, RECONNECT_LONGEST_MS } from './limits.ts';
import { logIn } from './log-in.ts';
import type { LoginOptions } from './login.ts';
import { type Portal, portalText } from './portal.ts';

/** pino's argument order. */
export interface IscsiLog {
  info(details: object, message: string): void;
  warn(details: object, message: string): void;
}

export interface SessionOptions
  extends Omit<LoginOptions, 'targetName' | 'chapAlgorithms'>,
    ConnectionOptions {
  readonly portal: Portal;
  readonly targetName: string;
  readonly isid: Isid;
  readonly log: IscsiLog;
}

/** Who uses the session: one for each LUN. */
export interface SessionUser {
  /** @param reinstated no command of an earlier connection can be done any more */
  up(connection: Connection, reinstated: boolean): void;
  down(reason: IscsiError): void;
  /** An attempt to log in failed; another follows. */
  refused(reason: IscsiError): void;
  attention(lun: Lun, sense: Sense): void;
}

/** A connection that lasted less than this many milliseconds counts as a failed attempt. */
const LASTED_MS = 1_000;

const LEAVING = new IscsiError('ended', 'the target asked for a logout');

export class Session {
  readonly name: string;
  readonly #options: SessionOptions;
  readonly #users = new Set<SessionUser>();
  readonly #stop = new AbortController();
  #connection: Connection | undefined;
  #refusal: IscsiError | undefined;
  #lastAddress: string | undefined;
  #reinstated = true;
  #wait = 0;
  #upAt: number | undefined;
  #cancelRetry: (() => void) | undefined;
  #closed: Promise<void> | undefined;
  #onEnded: (() => void) | undefined;

  constructor(options: SessionOptions) {
    this.#options = options;
    this.name = portalText(options.portal);
    void this.#connect();
  }

  /** Tells at once how things stand, as far as the first attempt is over. */
  join(user: SessionUser): void {
    this.#users.add(user);
    if (this.#connection !== undefined) user.up(this.#connection, this.#reinstated);
    else if (this.#refusal !== undefined) user.refused(this.#refusal);
  }

  leave(user: SessionUser): void {
    this.#users.delete(user);
  }

  /** Logs out. Idempotent. */
  close(): Promise<void> {
    this.#closed ??= this.#close();
    return this.#closed;
  }

  async #close(): Promise<void> {
    this.#stop.abort();
    this.#cancelRetry?.();
    const connection = this.#connection;
    if (connection === undefined) return;
    await new Promise<void>((resolve) => {
      this.#onEnded = resolve;
      connection.logout();
    });
  }

  async #connect(): Promise<void> {
    const { timers, commandMs } = this.#options;
    try {
      const connection = await logIn({ ...this.#options, signal: this.#stop.signal }, (link) => {
        const made: Connection = new Connection(
          link,
          {
            leaving: () => this.#lost(made, undefined),
            ended: (reason) => this.#ended(made, reason),
            attention: (lun, sense) => {
              for (const user of [...this.#users]) user.attention(lun, sense);
            },
          },
          { timers, commandMs },
        );
        return made;
      });
      this.#established(connection);
    } catch (error) {
      this.#failed(error as IscsiError);
    }
  }

  #established(connection: Connection): void {
    if (this.#stop.signal.aborted) {
      connection.destroy('the session is closed');
      return;
    }
    if (connection.isOver) {
      this.#failed(connection.isOver);
      return;
    }
    // Elsewhere there may be another session table: that target may still work for the old session.
    const address = portalText(connection.portal);
    this.#reinstated = this.#lastAddress === undefined || this.#lastAddress === address;
    this.#lastAddress = address;
    this.#connection = connection;
    this.#refusal = undefined;
    this.#upAt = this.#options.timers.now();
    this.#options.log.info(
      { portal: this.name, target: this.#options.targetName },
      'iSCSI session up',
    );
    for (const user of [...this.#users]) user.up(connection, this.#reinstated);
  }

  #failed(reason: IscsiError): void {
    if (this.#stop.signal.aborted) return;
    const first = this.#refusal === undefined;
    this.#refusal = reason;
    if (first) {
      const { targetName: target } = this.#options;
      this.#options.log.warn(
        { portal: this.name, target, reason: reason.message },
        'iSCSI login failed',
      );
    }
    for (const user of [...this.#users]) user.refused(reason);
    this.#again();
  }

  /** The connection takes no new commands. */
  #lost(connection: Connection, reason: IscsiError | undefined): void {
    if (this.#connection !== connection) return;
    this.#connection = undefined;
    const { log, targetName: target } = this.#options;
    const why = reason ?? LEAVING;
    if (!this.#stop.signal.aborted) {
      log.warn({ portal: this.name, target, reason: why.message }, 'iSCSI session down');
    }
    for (const user of [...this.#users]) user.down(why);
  }

  #ended(connection: Connection, reason: IscsiError): void {
    const upAt = this.#upAt;
    this.#upAt = undefined;
    this.#lost(connection, reason);
    this.#onEnded?.();
    if (this.#stop.signal.aborted || upAt === undefined) return;
    if (this.#options.timers.now() - upAt >= LASTED_MS) this.#wait = 0;
    this.#again();
  }

  #again(): void {
    const wait = this.#wait;
    this.#wait = wait === 0 ? RECONNECT_FIRST_MS : Math.min(wait * 2, RECONNECT_LONGEST_MS);
    this.#cancelRetry = this.#options.timers.after(wait, () => void this.#connect());
  }
}
