/**
 * What a connection does besides commands: looks for commands that take too long and has them aborted, pings a
 * silent peer, answers what the target says by itself, and logs out.
 *
 * A command that takes too long, or that the LUN may have forgotten (reset-probe.ts): ABORT TASK. Refused, and it takes too
 * long: LOGICAL UNIT RESET. Refused, or no answer: the connection ends,
 * and the next login of this ISID makes the target forget the session with all its commands.
 */
import {
  ASYNC_EVENT,
  type AsyncMessage,
  BHS_SIZE,
  decodeRequest,
  decodeSense,
  isAfter,
  type LogoutRequest,
  type Lun,
  NO_TAG,
  type NopIn,
  type NopOut,
  type Reject,
  type Sense,
  TASK_MANAGEMENT,
  TASK_MANAGEMENT_RESPONSE,
  type TaskManagementRequest,
  type TaskManagementResponse,
} from '../wire/index.ts';
import { IscsiError } from './iscsi-error.ts';
import {
  ABORTS_AT_ONCE,
  MANAGEMENT_MS,
  PING_AFTER_MS,
  PING_ANSWER_MS,
  PROBE_AFTER_MS,
  RESET_SETTLE_MS,
  TICK_MS,
} from './limits.ts';
import { ResetProbe, tellsOfReset } from './reset-probe.ts';
import type { Task } from './task.ts';
import { MANAGEMENT_TAGS } from './task-slots.ts';
import type { Timers } from './timers.ts';

type ManagementPdu = NopOut | TaskManagementRequest | LogoutRequest;

export interface ManagementParts {
  /** Commands in flight. */
  tasks(): Iterable<Task>;
  /** The one of them that was sent with this tag. */
  find(itt: number): Task | undefined;
  send(make: (cmdSN: number, expStatSN: number) => ManagementPdu): void;
  /** Sends it at once. */
  probe(task: Task): void;
  giveBack(task: Task, reason: IscsiError): void;
  attention(lun: Lun, sense: Sense): void;
  leave(withinMs: number): void;
  end(reason: IscsiError): void;
}

/** A task as it was sent that time: once it was answered it may be sent again, or be somebody's no more. */
interface Sent {
  readonly task: Task;
  readonly itt: number;
}

interface Function {
  readonly fn: number;
  readonly startedAt: number;
  readonly task: Sent | undefined;
  readonly lun: Lun;
  /** Commands with an earlier number are what a reset aborts. */
  readonly before: readonly Sent[];
  readonly settle: ((done: boolean | IscsiError) => void) | undefined;
}

const NO_LUN: Lun = { high: 0, low: 0 };
/** Reasons of a reject after which the command itself is still answered (RFC 7143, 11.17.1). */
const DATA_DIGEST_ERROR = 0x02;
const CLOSE_SESSION = 0;

export class Management {
  readonly #timers: Timers;
  readonly #commandMs: number;
  readonly #parts: ManagementParts;
  readonly #functions = new Map<number, Function>();
  #tag = MANAGEMENT_TAGS;
  #heardAt: number;
  #pingedAt: number | undefined;
  #pingTag = NO_TAG;
  #endAt: number | undefined;
  #endWhy = '';
  #probing = false;
  /** When each LUN was probed last, in milliseconds. */
  readonly #probedAt = new Map<string, number>();
  #cancelTick: () => void;

  constructor(options: { timers: Timers; commandMs: number }, parts: ManagementParts) {
    this.#timers = options.timers;
    this.#commandMs = options.commandMs;
    this.#parts = parts;
    this.#heardAt = options.timers.now();
    this.#cancelTick = options.timers.after(TICK_MS, this.#tick);
  }

  /** Something came from the target. The time is taken at the next tick: once in a while is enough. */
  heard(): void {
    this.#heardAt = -1;
  }

  close(reason: IscsiError): void {
    this.#cancelTick();
    for (const { settle } of this.#functions.values()) settle?.(reason);
    this.#functions.clear();
  }

  resetLun(lun: Lun): Promise<boolean> {
    return new Promise((resolve, reject) => {
      this.#startReset(lun, (done) => {
        if (typeof done === 'boolean') resolve(done);
        else reject(done);
      });
    });
  }

  logout(cid: number): void {
    if (this.#endAt !== undefined && this.#endWhy === LOGOUT) return;
    this.#endAt = this.#timers.now() + MANAGEMENT_MS;
    this.#endWhy = LOGOUT;
    const itt = this.#nextTag();
    this.#parts.send((cmdSN, expStatSN) => ({
      kind: 'logout-request',
      immediate: true,
      reason: CLOSE_SESSION,
      itt,
      cid,
      cmdSN,
      expStatSN,
    }));
  }

  loggedOut(): string | undefined {
    if (this.#endWhy !== LOGOUT) return 'logout-response-unasked';
    this.#parts.end(new IscsiError('ended', 'logged out'));
    return undefined;
  }

  leaveWithin(ms: number): void {
    this.#endAt = this.#timers.now() + ms;
    this.#endWhy = 'the target asked for a logout';
  }

  nopIn(pdu: NopIn): string | undefined {
    if (pdu.itt === NO_TAG) return undefined;
    if (pdu.itt !== this.#pingTag) return 'nop-in-tag';
    this.#pingTag = NO_TAG;
    this.#pingedAt = undefined;
    return undefined;
  }

  asyncMessage(pdu: AsyncMessage, data: Buffer): string | undefined {
    switch (pdu.event) {
      case ASYNC_EVENT.scsi: {
        const sense = decodeSense(data);
        if (sense !== undefined) this.#parts.attention(pdu.lun, sense);
        return undefined;
      }
      case ASYNC_EVENT.logoutRequested:
        this.#parts.leave(Math.max(1, pdu.parameter3) * 1000);
        return undefined;
      case ASYNC_EVENT.connectionDropped:
      case ASYNC_EVENT.sessionDropped:
        this.#parts.end(new IscsiError('ended', 'the target drops the session'));
        return undefined;
      case ASYNC_EVENT.negotiationRequested:
        // The next login negotiates everything.
        this.#parts.leave(Math.max(1, pdu.parameter3) * 1000);
        return undefined;
      default:
        return undefined; // vendor events, and those of the future
    }
  }

  /** @param data the header that was rejected */
  rejected(pdu: Reject, data: Buffer): string | undefined {
    const header = data.length < BHS_SIZE ? undefined : decodeRequest(data, 0);
    const reason = `the target rejected a ${header?.kind ?? 'PDU'} (reason ${pdu.reason})`;
    // An answer with CHECK CONDITION follows for data that arrived damaged.
    if (pdu.reason === DATA_DIGEST_ERROR) return undefined;
    if (header?.kind === 'scsi-command') {
      const task = this.#parts.find(header.itt);
      if (task !== undefined) this.#parts.giveBack(task, new IscsiError('refused', reason));
      return undefined;
    }
    if (header?.kind === 'task-management-request') {
      return this.#finished(header.itt, TASK_MANAGEMENT_RESPONSE.rejected);
    }
    // Without pings we only notice a dead peer later.
    if (header?.kind === 'nop-out') return undefined;
    this.#parts.end(new IscsiError('ended', reason));
    return undefined;
  }

  answered(pdu: TaskManagementResponse): string | undefined {
    return this.#finished(pdu.itt, pdu.response);
  }

  #finished(itt: number, response: number): string | undefined {
    const fn = this.#functions.get(itt);
    if (fn === undefined) return 'task-management-tag';
    this.#functions.delete(itt);
    const done = response === TASK_MANAGEMENT_RESPONSE.complete;
    if (fn.fn === TASK_MANAGEMENT.abortTask) this.#aborted(fn, done, response);
    else this.#reset(fn, done);
    return undefined;
  }

  /** What a command was answered. Those of its LUN that were sent before it may be gone. */
  sensed({ lun, cmdSN }: Task, sense: Sense): void {
    if (!tellsOfReset(sense)) return;
    for (const task of this.#parts.tasks()) {
      const earlier = sameLun(task.lun, lun) && isAfter(cmdSN, task.cmdSN);
      if (earlier) task.doubtedAt ??= this.#timers.now();
    }
  }

  #aborted({ task, lun }: Function, done: boolean, response: number): void {
    if (task === undefined || !this.#isOut(task)) return; // answered in the meantime
    if (done || response === TASK_MANAGEMENT_RESPONSE.taskDoesNotExist) {
      this.#parts.giveBack(task.task, new IscsiError('timeout', 'the command took too long'));
    } else if (this.#timers.now() - task.task.sentAt >= this.#commandMs) {
      this.#startReset(lun, undefined);
    } else {
      // It was in doubt only. When it takes too long it is aborted again, and then by all means.
      task.task.aborting = false;
      task.task.doubtedAt = Number.POSITIVE_INFINITY;
    }
  }

  #reset(fn: Function, done: boolean): void {
    if (done) {
      const reason = new IscsiError('timeout', 'the LUN was reset');
      for (const sent of fn.before) if (this.#isOut(sent)) this.#parts.giveBack(sent.task, reason);
    }
    if (fn.settle !== undefined) fn.settle(done);
    else if (!done) {
      this.#parts.end(new IscsiError('timeout', 'a command took too long and cannot be aborted'));
    }
  }

  #isOut({ task, itt }: Sent): boolean {
    return this.#parts.find(itt) === task;
  }

  #startReset(lun: Lun, settle: ((done: boolean | IscsiError) => void) | undefined): void {
    const tasks = [...this.#parts.tasks()].filter((task) => sameLun(task.lun, lun));
    const before = tasks.map(sentNow);
    this.#function({ fn: TASK_MANAGEMENT.logicalUnitReset, lun, task: undefined, before, settle });
  }

  #function(request: Omit<Function, 'startedAt'>): void {
    const { fn, lun, task } = request;
    const itt = this.#nextTag();
    this.#functions.set(itt, { ...request, startedAt: this.#timers.now() });
    this.#parts.send((cmdSN, expStatSN) => ({
      kind: 'task-management-request',
      immediate: true,
      fn,
      lun,
      itt,
      referencedTag: task?.itt ?? NO_TAG,
      cmdSN,
      expStatSN,
      refCmdSN: task?.task.cmdSN ?? 0,
    }));
  }

  #nextTag(): number {
    this.#tag = this.#tag === NO_TAG - 1 ? MANAGEMENT_TAGS : this.#tag + 1;
    return this.#tag;
  }

  readonly #tick = (): void => {
    this.#cancelTick = this.#timers.after(TICK_MS, this.#tick);
    const now = this.#timers.now();
    const late = this.#late(now);
    if (late !== undefined) {
      this.#parts.end(new IscsiError('timeout', late));
      return;
    }
    for (const task of [...this.#parts.tasks()]) {
      const forgotten =
        now - (task.doubtedAt ?? now) >= RESET_SETTLE_MS && this.#functions.size < ABORTS_AT_ONCE;
      if (task.aborting || (!forgotten && now - task.sentAt < this.#commandMs)) continue;
      task.aborting = true;
      const fn = TASK_MANAGEMENT.abortTask;
      const { lun } = task;
      this.#function({ fn, lun, task: sentNow(task), before: [], settle: undefined });
    }
    this.#probe(now);
  };

  /** Asks a LUN that has not answered a command for long whether it was reset. */
  #probe(now: number): void {
    if (this.#probing) return;
    for (const { lun, sentAt, aborting } of this.#parts.tasks()) {
      const key = `${lun.high}:${lun.low}`;
      const since = now - Math.max(sentAt, this.#probedAt.get(key) ?? sentAt);
      if (aborting || since < PROBE_AFTER_MS) continue;
      this.#probedAt.set(key, now);
      this.#probing = true;
      const probe = new ResetProbe(lun, (sense) => {
        this.#probing = false;
        // Nobody else gets to know of it.
        if (sense !== undefined) this.#parts.attention(lun, sense);
      });
      this.#parts.probe(probe);
      return;
    }
  }

  /** Why the peer is given up; undefined: it is not. Pings it when it was silent. */
  #late(now: number): string | undefined {
    if (this.#endAt !== undefined && now > this.#endAt) return this.#endWhy;
    for (const { startedAt } of this.#functions.values()) {
      if (now - startedAt > MANAGEMENT_MS) return 'task management was not answered';
    }
    if (this.#heardAt === -1) {
      this.#heardAt = now;
      this.#pingedAt = undefined;
    }
    if (this.#pingedAt !== undefined) {
      return now - this.#pingedAt > PING_ANSWER_MS ? 'the target is silent' : undefined;
    }
    if (now - this.#heardAt < PING_AFTER_MS) return undefined;
    this.#pingedAt = now;
    if (this.#pingTag !== NO_TAG) return undefined; // the last one is still to be answered
    const itt = this.#nextTag();
    this.#pingTag = itt;
    this.#parts.send((cmdSN, expStatSN) => ({
      kind: 'nop-out',
      immediate: true,
      lun: NO_LUN,
      itt,
      ttt: NO_TAG,
      cmdSN,
      expStatSN,
      dataLength: 0,
    }));
    return undefined;
  }
}

const sentNow = (task: Task): Sent => ({ task, itt: task.itt });

const LOGOUT = 'the target does not answer the logout';

export function sameLun(a: Lun, b: Lun): boolean {
  return a.high === b.high && a.low === b.low;
}
