/**
 * All paths to one LUN, as one: commands go to the first path that is ready, in the order in which the paths were
 * given. When it breaks they go to the next at once, those without an answer first; when it returns, new ones go to it again.
 *
 * - A path is ready only when the disk behind it is ours: its designators are compared at every (re)connect
 *   and whenever the LUN says that something changed.
 * - A write whose answer was lost with its connection may still be in the target's hands, and be done after it
 *   was sent again on another path, on top of a later write. So before anything is sent on the other path the LUN is reset,
 *   which ends every command that it still has; also when the other path is in use already. The same path needs none: its next login does that (session.ts).
 * - Nobody sees an error while a command is younger than the patience; then ETIMEDOUT. Another disk under our
 *   number, and no path to ours: ESTALE, once it has been seen twice. A target that makes its LUNs anew may give them their
 *   names in a second step (tgt does), and has other disks for a moment.
 */
import { BlockError } from '../../errors/index.ts';
import type { Lun, Sense } from '../wire/index.ts';
import type { Connection } from './connection.ts';
import { IscsiError } from './iscsi-error.ts';
import {
  BUSY_RETRY_MS,
  COMMAND_DOUBTS,
  COMMAND_RETRIES,
  OTHER_DISK_LOOKS,
  TICK_MS,
} from './limits.ts';
import type { LunLook } from './lun-facts.ts';
import type { LunIdentity } from './lun-identity.ts';
import { type Judgement, LunPath, type PathOwner, type PathState } from './lun-path.ts';
import { type LunRequest, movedAll, type RequestOwner } from './lun-request.ts';
import { LunSize } from './lun-size.ts';
import { openingFailure } from './opening-failure.ts';
import { outcomeOf } from './scsi-outcome.ts';
import type { IscsiLog, Session } from './session.ts';
import type { Timers } from './timers.ts';

export interface PathReport {
  /** The portal. */
  readonly name: string;
  readonly up: boolean;
  readonly state: PathState;
  /** Commands go to it. */
  readonly active: boolean;
  /** Why it is not ready. */
  readonly reason: string | undefined;
}

export interface LunPathsOptions {
  readonly lun: Lun;
  readonly timers: Timers;
  readonly log: IscsiLog;
  readonly patienceMs: number;
  /** The disk that it must be; undefined: whatever is there the first time. */
  readonly expectWwid: string | undefined;
  /** As IscsiOpen.stillOurs. */
  readonly stillOurs: (() => Promise<void>) | undefined;
  /** @param size bytes that every path agrees on */
  readonly onResize: (size: number) => void;
  readonly onPaths: () => void;
}

export class LunPaths implements RequestOwner, PathOwner {
  readonly #options: LunPathsOptions;
  readonly #timers: Timers;
  readonly #paths: readonly LunPath[];
  #active: LunPath | undefined;
  #waiting: LunRequest[] = [];
  #look: LunLook | undefined;
  readonly #size: LunSize;
  #outageSince: number | undefined;
  #cancelSweep: (() => void) | undefined;
  #fencing = false;
  #asking: Promise<void> | undefined;
  #closed = false;
  #opening: { resolve: () => void; reject: (error: Error) => void } | undefined;

  /** @param sessions best first */
  constructor(sessions: readonly Session[], options: LunPathsOptions) {
    this.#options = options;
    this.#timers = options.timers;
    this.#paths = sessions.map(
      (session) => new LunPath(session, options.lun, options.timers, this),
    );
    this.#size = new LunSize(this.#paths, options.timers, () => {
      const { size = 0 } = this;
      options.log.info({ wwid: this.#wwid, size }, 'the LUN was resized');
      options.onResize(size);
    });
  }

  /** Settles with the first path that is ready. @throws IscsiError, LunUnusable, OtherDisk once every path has failed */
  open(): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#opening = { resolve, reject };
      for (const path of this.#paths) path.start();
    });
  }

  /** What was last seen, and the path it can be asked on. */
  get ready(): { readonly look: LunLook; readonly path: LunPath } | undefined {
    const [path, look] = [this.#active, this.#look];
    return path === undefined || look === undefined ? undefined : { look, path };
  }

  get reports(): readonly PathReport[] {
    return this.#paths.map((path) => ({
      name: path.name,
      up: path.state === 'ready',
      state: path.state,
      active: path === this.#active,
      reason: path.state === 'ready' ? undefined : path.failure?.message,
    }));
  }

  /** Bytes that every path agrees on; undefined: none was ready yet. */
  get size(): number | undefined {
    const { blocks } = this.#size;
    return blocks === undefined ? undefined : blocks * (this.#look?.capacity.blockSize ?? 0);
  }

  /** Asks on every path that is ready. @returns as `size` @throws IscsiError, LunUnusable nobody answers */
  async measure(): Promise<number> {
    const answered = await this.#size.measure();
    const { size } = this;
    if (answered && size !== undefined) return size;
    throw new IscsiError('unreachable', 'there is no path');
  }

  submit(request: LunRequest): void {
    const now = this.#timers.now();
    request.deadline = now + this.#options.patienceMs;
    const outage = this.#outageSince;
    if (this.#closed) request.failed('ESHUTDOWN', 'the device is closed');
    else if (this.#active === undefined && this.#elsewhere()) failStale(request);
    else if (outage !== undefined && now - outage >= this.#options.patienceMs) {
      this.#giveUp(request);
    } else this.#send(request);
  }

  /** Nothing may be in flight. What still waits fails, an `open` too. */
  close(): void {
    this.#closed = true;
    this.#opening?.reject(new IscsiError('ended', 'the device is closed'));
    this.#opening = undefined;
    this.#active = undefined;
    this.#cancelSweep?.();
    this.#size.close();
    for (const path of this.#paths) path.close();
    for (const request of this.#waiting.splice(0)) {
      request.failed('ESHUTDOWN', 'the device is closed');
    }
  }

  completed(request: LunRequest, status: number, residual: number, sense: Sense | undefined): void {
    // Only reads and writes must move what they say: an allocation length asks for as much as there is, and tgt
    // counts the parameter list of UNMAP as not moved.
    const whole = residual === 0 || !('fua' in request.cdb);
    if (status === 0 && whole) {
      request.succeeded();
      return;
    }
    const outcome = outcomeOf(status, sense, request.dataOut !== undefined);
    switch (outcome.kind) {
      case 'good':
        // "Recovered" is believed only of data that is all there.
        if (whole && movedAll(request)) request.succeeded();
        else request.failed('EIO', 'the target moved fewer bytes than asked for');
        return;
      case 'failed':
        request.failed(outcome.errno, outcome.detail);
        return;
      case 'again':
        if (this.#mayRetry(request, 'aborted by the target')) this.#sendLate(request);
        return;
      case 'look':
        if (!this.#mayRetry(request, 'the LUN keeps changing, or is not ready')) return;
        this.#lookAndSend(request);
        return;
      case 'doubt':
        request.doubts += 1;
        if (request.doubts > COMMAND_DOUBTS) request.failed(outcome.errno, outcome.detail);
        else this.#lookAndSend(request);
        return;
      case 'later':
        if (this.#isLate(request, 'the target stays busy')) return;
        this.#timers.after(BUSY_RETRY_MS, () => this.#sendLate(request));
        return;
    }
  }

  lost(request: LunRequest, reason: IscsiError): void {
    const { via, on } = request;
    // Of a path that was left for a better one. Of the one in use `down` follows, and nothing goes to it meanwhile.
    if (via !== undefined && via !== this.#active && leavesGhosts(request, on)) {
      via.ghosts = true;
      this.#choose();
    }
    if (reason.failure === 'refused' && !this.#mayRetry(request, reason.message)) return;
    if (!this.#isLate(request, reason.message)) this.#sendLate(request);
  }

  judge(look: LunLook, path: LunPath): Judgement {
    path.otherDiskLooks = this.#isOurDisk(look) ? 0 : path.otherDiskLooks + 1;
    if (path.otherDiskLooks > 0) return 'other-disk';
    this.#look = look;
    return this.#size.seen(path, look.capacity.blocks) ? 'ready' : 'smaller';
  }

  #isOurDisk({ identity, capacity }: LunLook): boolean {
    const before = this.#look;
    if (before !== undefined) {
      return identity.agrees(before.identity) && capacity.blockSize === before.capacity.blockSize;
    }
    const { expectWwid } = this.#options;
    return expectWwid === undefined || identity.isCalled(expectWwid);
  }

  changed(path: LunPath): void {
    if (this.#closed) return;
    if (path.state === 'other-disk') {
      const found = path.failure?.message;
      this.#options.log.warn(
        { path: path.name, wwid: this.#wwid, found },
        'another disk at our LUN',
      );
    }
    if (isOurs(path)) this.#size.agree();
    this.#choose();
    this.#options.onPaths();
    this.#settleOpening();
  }

  get identity(): LunIdentity | undefined {
    return this.#look?.identity;
  }

  get #wwid(): string | undefined {
    return this.identity?.wwid ?? this.#options.expectWwid;
  }

  #settleOpening(): void {
    const opening = this.#opening;
    if (opening === undefined) return;
    if (this.#active !== undefined) {
      this.#opening = undefined;
      opening.resolve();
    } else if (!this.#fencing && this.#paths.every(hasFailed)) {
      this.#opening = undefined;
      opening.reject(openingFailure(this.#paths, this.#wwid));
    }
  }

  /** No path leads to our disk, and one leads to another, not for a moment only. */
  #elsewhere(): boolean {
    return this.#paths.some(isElsewhere) && !this.#paths.some(mayBeOurs);
  }

  #choose(): void {
    const best = this.#paths.find((path) => path.state === 'ready' || path.relooking);
    const haunted = this.#paths.filter(({ ghosts }) => ghosts);
    if (best?.state === 'ready' && best === this.#active && haunted.length === 0) return;
    this.#active = undefined;
    if (best?.state === 'ready' && !this.#fencing) {
      if (haunted.length > 0) void this.#fence(best, haunted);
      else this.#activate(best);
    }
    if (this.#active !== undefined) return;
    this.#outageSince ??= this.#timers.now();
    if (this.#elsewhere()) for (const request of this.#waiting.splice(0)) failStale(request);
  }

  async #fence(best: LunPath, haunted: readonly LunPath[]): Promise<void> {
    const { log, lun } = this.#options;
    this.#fencing = true;
    try {
      const done = await best.connection?.resetLun(lun);
      for (const path of haunted) path.ghosts = false;
      if (done === false) log.warn({ path: best.name }, 'the target cannot reset the LUN');
    } catch {
      // That path broke as well: `changed` was called while this was going on.
    }
    this.#fencing = false;
    if (this.#closed) return;
    this.#choose();
    this.#settleOpening();
  }

  #activate(path: LunPath): void {
    this.#active = path;
    this.#outageSince = undefined;
    this.#options.log.info({ path: path.name, wwid: this.#wwid }, 'path in use');
    for (const request of this.#waiting.splice(0)) this.#sendLate(request);
  }

  #send(request: LunRequest): void {
    const path = this.#active;
    const connection = path?.connection;
    if (connection === undefined || connection.isOver !== undefined) this.#wait(request);
    else {
      request.via = path;
      request.on = connection;
      connection.submit(request);
    }
  }

  /** It waited, or was sent before: meanwhile another server may have taken the disk over, and what it has there now is not ours. */
  #sendLate(request: LunRequest): void {
    const { stillOurs } = this.#options;
    const reads = request.dataOut === undefined;
    if (stillOurs === undefined || reads || this.#active === undefined) this.#send(request);
    else {
      this.#asking ??= stillOurs().finally(() => {
        this.#asking = undefined;
      });
      this.#asking.then(
        () => this.#send(request),
        (error: unknown) => this.#notSure(request, error),
      );
    }
  }

  #notSure(request: LunRequest, error: unknown): void {
    const { errno, message } = BlockError.from(error, 'write', 0, 0);
    if (errno === 'ESTALE' || errno === 'ESHUTDOWN') request.failed(errno, message);
    else if (!this.#isLate(request, message)) {
      this.#timers.after(BUSY_RETRY_MS, () => this.#sendLate(request));
    }
  }

  #lookAndSend(request: LunRequest): void {
    request.via?.look();
    this.#sendLate(request);
  }

  #wait(request: LunRequest): void {
    if (this.#closed) request.failed('ESHUTDOWN', 'the device is closed');
    else if (this.#elsewhere()) failStale(request);
    else {
      this.#waiting.push(request);
      this.#cancelSweep ??= this.#timers.after(TICK_MS, this.#sweep);
    }
  }

  readonly #sweep = (): void => {
    this.#cancelSweep = undefined;
    const now = this.#timers.now();
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const request of waiting) {
      if (now >= request.deadline) this.#giveUp(request);
      else this.#wait(request);
    }
  };

  #giveUp(request: LunRequest): void {
    const cause = this.#paths.find(({ failure }) => failure !== undefined)?.failure;
    const seconds = this.#options.patienceMs / 1000;
    const why = cause === undefined ? '' : `: ${cause.message}`;
    request.failed('ETIMEDOUT', `no path to the LUN within ${seconds} s${why}`, cause);
  }

  #isLate(request: LunRequest, why: string): boolean {
    if (this.#timers.now() < request.deadline) return false;
    request.failed('ETIMEDOUT', `not done within ${this.#options.patienceMs / 1000} s: ${why}`);
    return true;
  }

  #mayRetry(request: LunRequest, why: string): boolean {
    request.retries += 1;
    if (request.retries <= COMMAND_RETRIES) return true;
    request.failed('EIO', why);
    return false;
  }
}

/** Its answer was lost with the connection, and the target may still do it, or others of this LUN. */
function leavesGhosts({ lun }: LunRequest, on: Connection | undefined): boolean {
  return on?.isOver !== undefined && on.mayStillWrite(lun);
}

function failStale(request: LunRequest): void {
  request.failed('ESTALE', 'there is another disk at this LUN now');
}

const hasFailed = ({ state, failure }: LunPath): boolean =>
  state !== 'looking' && state !== 'ready' && failure !== undefined;

const isOurs = ({ state }: LunPath): boolean => state === 'ready' || state === 'smaller';

const isElsewhere = ({ state, otherDiskLooks }: LunPath): boolean =>
  state === 'other-disk' && otherDiskLooks >= OTHER_DISK_LOOKS;

/** Not known to lead elsewhere, and connected. */
const mayBeOurs = (path: LunPath): boolean => isOurs(path) || path.state === 'looking';
