/** One way to a LUN: a session, and what was last seen of the LUN through it. */
import { type Lun, SENSE_KEY, type Sense } from '../wire/index.ts';
import type { Connection } from './connection.ts';
import type { IscsiError } from './iscsi-error.ts';
import { RECHECK_MS } from './limits.ts';
import { capacityOf, type LunLook, lookAtLun } from './lun-facts.ts';
import { sameLun } from './management.ts';
import type { Session, SessionUser } from './session.ts';
import type { Timers } from './timers.ts';

export type PathState =
  | 'connecting'
  | 'looking'
  | 'ready'
  /** Connected, but the LUN is not there, or not ready. */
  | 'no-lun'
  /** Connected, but to something else under our LUN's number. */
  | 'other-disk'
  /** Our disk, but with less than we use of it: an array may know of a growth on one path later than on another. */
  | 'smaller';

export type Judgement = Extract<PathState, 'ready' | 'other-disk' | 'smaller'>;

export interface PathOwner {
  /** What was seen is ours, and as large as it must be: `ready`; or not. */
  judge(look: LunLook, path: LunPath): Judgement;
  changed(path: LunPath): void;
}

export class LunPath implements SessionUser {
  readonly name: string;
  readonly #session: Session;
  readonly #lun: Lun;
  readonly #timers: Timers;
  readonly #owner: PathOwner;
  #state: PathState = 'connecting';
  #connection: Connection | undefined;
  #relooking = false;
  #lookAgain = false;
  #looking: Promise<void> | undefined;
  #failure: Error | undefined;
  #cancelRecheck: (() => void) | undefined;
  /** The target may still do writes that were sent on an earlier connection of this path. */
  ghosts = false;
  /** Of LunPaths alone: looks in a row that have seen another disk. */
  otherDiskLooks = 0;
  /** Of LunSize alone: blocks at the last look, and looks in a row that have shown fewer than are in use. */
  blocks: number | undefined;
  smallerLooks = 0;

  constructor(session: Session, lun: Lun, timers: Timers, owner: PathOwner) {
    this.name = session.name;
    this.#session = session;
    this.#lun = lun;
    this.#timers = timers;
    this.#owner = owner;
  }

  start(): void {
    this.#session.join(this);
  }

  close(): void {
    this.#session.leave(this);
    this.#cancelRecheck?.();
    this.#connection = undefined;
    this.#state = 'connecting';
  }

  get state(): PathState {
    return this.#state;
  }

  /** It was ready, and is looked at again because something changed. */
  get relooking(): boolean {
    return this.#relooking && this.#state === 'looking';
  }

  get connection(): Connection | undefined {
    return this.#connection;
  }

  /** Why it is not ready, or was not the last time. */
  get failure(): Error | undefined {
    return this.#failure;
  }

  up(connection: Connection, reinstated: boolean): void {
    this.#connection = connection;
    if (reinstated) this.ghosts = false;
    this.#relooking = false;
    this.#begin(connection);
  }

  down(reason: IscsiError): void {
    if (this.#connection?.mayStillWrite(this.#lun) === true) this.ghosts = true;
    this.#connection = undefined;
    this.#cancelRecheck?.();
    this.#become('connecting', reason);
  }

  refused(reason: IscsiError): void {
    this.#become('connecting', reason);
  }

  attention(lun: Lun, sense: Sense): void {
    if (sameLun(lun, this.#lun) && sense.key === SENSE_KEY.unitAttention) this.look();
  }

  /** Something changed: nothing more is sent until it is clear that it still is our disk. */
  look(): void {
    const connection = this.#connection;
    if (connection === undefined) return;
    if (this.#state === 'looking') {
      this.#lookAgain = true;
      return;
    }
    this.#relooking = this.#state === 'ready';
    this.#begin(connection);
  }

  /**
   * Asks how large the LUN is, while commands go on; looks at it when that is not what was seen before. Of a path that
   * is not ready, waits for the look that is under way. @throws IscsiError, LunUnusable no answer
   */
  async measure(): Promise<void> {
    const connection = this.#connection;
    if (connection !== undefined && this.#state === 'ready') {
      const { capacity } = await capacityOf(connection, this.#lun);
      if (capacity.blocks !== this.blocks && this.#connection === connection) this.look();
    }
    if (this.#state === 'looking') await this.#looking;
  }

  #begin(connection: Connection): void {
    this.#looking = this.#look(connection);
  }

  async #look(connection: Connection): Promise<void> {
    this.#cancelRecheck?.();
    this.#become('looking', undefined);
    try {
      let seen: LunLook;
      do {
        this.#lookAgain = false;
        seen = await lookAtLun(connection, this.#lun);
        if (this.#connection !== connection) return;
      } while (this.#lookAgain);
      const judged = this.#owner.judge(seen, this);
      this.#become(judged, failureOf(judged, seen));
      if (judged !== 'ready') this.#recheckLater(connection);
    } catch (error) {
      if (this.#connection !== connection) return;
      if (connection.isOver !== undefined) return; // `down` follows
      // Also of a question that was aborted because the target did not answer it, or another session reset the LUN.
      this.#become('no-lun', error instanceof Error ? error : new Error(String(error)));
      this.#recheckLater(connection);
    }
  }

  #recheckLater(connection: Connection): void {
    this.#relooking = false;
    this.#cancelRecheck = this.#timers.after(RECHECK_MS, () => this.#begin(connection));
  }

  #become(state: PathState, failure: Error | undefined): void {
    this.#state = state;
    if (failure !== undefined || state === 'ready') this.#failure = failure;
    this.#owner.changed(this);
  }
}

function failureOf(judged: Judgement, { identity, capacity }: LunLook): Error | undefined {
  switch (judged) {
    case 'ready':
      return undefined;
    case 'other-disk':
      return new Error(`it is ${identity.wwid}`);
    case 'smaller':
      return new Error(`it has ${capacity.blocks * capacity.blockSize} bytes, fewer than before`);
  }
}
