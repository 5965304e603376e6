/**
 * One connection in the full-feature phase: sends commands as the target's window allows, moves their data, keeps
 * the peer honest and alive. It does not recover: it ends, and hands back every command that has no answer.
 */
import {
  CDB_OFFSET,
  encodeCdb,
  isAfter,
  type Lun,
  NO_TAG,
  next,
  type R2t,
  type Sense,
  SIMPLE,
  type TargetPdu,
  writeDataOut,
  writeRequest,
  writeScsiCommand,
} from '../wire/index.ts';
import { IscsiError } from './iscsi-error.ts';
import { COMMANDS_IN_FLIGHT, MANAGEMENT_MS, UNSENT_BYTES } from './limits.ts';
import { CONNECTION_ID, type FullFeature, type LoggedIn } from './log-in.ts';
import { Management, sameLun } from './management.ts';
import type { Task } from './task.ts';
import { answerTask, takeDataIn } from './task-answers.ts';
import { TaskSlots } from './task-slots.ts';
import type { Timers } from './timers.ts';

export interface ConnectionListener {
  /** The target wants us to leave; commands in flight still finish. */
  leaving(): void;
  /** It is over. Every command without an answer has been handed back already. */
  ended(reason: IscsiError): void;
  /** A unit attention that came by itself. */
  attention(lun: Lun, sense: Sense): void;
}

export interface ConnectionOptions {
  readonly timers: Timers;
  /** How long a command may take before it is aborted, in milliseconds. */
  readonly commandMs: number;
}

export class Connection implements FullFeature {
  dataStart = 0;
  readonly portal: LoggedIn['portal'];
  readonly #link: LoggedIn;
  readonly #listener: ConnectionListener;
  readonly #timers: Timers;
  /** One more, for a probe. */
  readonly #slots = new TaskSlots(COMMANDS_IN_FLIGHT + 1);
  readonly #management: Management;
  #queue: Task[] = [];
  #queueStart = 0;
  #cmdSN: number;
  #maxCmdSN: number;
  #expStatSN: number;
  #ended: IscsiError | undefined;
  #leaving = false;
  #abandoned: readonly Lun[] = [];

  constructor(link: LoggedIn, listener: ConnectionListener, options: ConnectionOptions) {
    this.portal = link.portal;
    this.#link = link;
    this.#listener = listener;
    this.#timers = options.timers;
    this.#cmdSN = link.cmdSN;
    this.#maxCmdSN = link.maxCmdSN;
    this.#expStatSN = link.expStatSN;
    this.#management = new Management(options, {
      tasks: () => this.#slots.all(),
      find: (itt) => this.#slots.find(itt),
      send: (make) => {
        const { buffer, at } = link.outbox.begin();
        writeRequest(buffer, at, make(this.#cmdSN, this.#expStatSN));
        link.outbox.send();
      },
      // Ahead of what waits for the target's window: those that are gone may be what fills it. Only then is it immediate:
      // LIO rejects SCSI commands that are.
      probe: (task) => this.#start(task, isAfter(this.#cmdSN, this.#maxCmdSN)),
      giveBack: (task, reason) => this.#giveBack(task, reason),
      attention: (lun, sense) => listener.attention(lun, sense),
      leave: (withinMs) => this.#leave(withinMs),
      end: (reason) => this.ended(reason),
    });
  }

  /** Why it is over; undefined while it stands. */
  get isOver(): IscsiError | undefined {
    return this.#ended;
  }

  /** Whether the target may still do a write to this LUN of which we have, or will have, no answer. */
  mayStillWrite(lun: Lun): boolean {
    const writes = this.#ended === undefined ? writesOf(this.#slots.all()) : this.#abandoned;
    return writes.some((other) => sameLun(other, lun));
  }

  /** Commands that have not been answered. */
  get busy(): number {
    return this.#slots.used + this.#queue.length - this.#queueStart;
  }

  submit(task: Task): void {
    if (this.#ended !== undefined) task.lost(this.#ended);
    else if (this.#queueStart < this.#queue.length || this.#mustWait()) this.#queue.push(task);
    else this.#start(task);
  }

  /**
   * Aborts every command of the LUN, of this and any other session; ours are handed back. When it has settled,
   * nothing that was sent before will be done any more.
   * @returns false: the target cannot. @throws IscsiError the connection ended
   */
  resetLun(lun: Lun): Promise<boolean> {
    if (this.#ended !== undefined) return Promise.reject(this.#ended);
    return this.#management.resetLun(lun);
  }

  /** Says goodbye when nothing is in flight any more; ends in any case. */
  logout(): void {
    if (this.#ended !== undefined) return;
    if (this.busy === 0) this.#management.logout(CONNECTION_ID);
    else if (!this.#leaving) this.#management.leaveWithin(MANAGEMENT_MS);
    this.#leaving = true;
  }

  /** At once. */
  destroy(why: string): void {
    this.ended(new IscsiError('ended', why));
  }

  drained(): void {
    this.#startWaiting();
  }

  ended(reason: IscsiError): void {
    if (this.#ended !== undefined) return;
    this.#ended = reason;
    this.#link.socket.destroy();
    this.#management.close(reason);
    this.#abandoned = writesOf(this.#slots.all());
    const waiting = this.#queue.slice(this.#queueStart);
    this.#queue = [];
    this.#queueStart = 0;
    for (const task of [...this.#slots.all()]) this.#giveBack(task, reason);
    for (const task of waiting) task.lost(reason);
    this.#listener.ended(reason);
  }

  destination(pdu: TargetPdu): Buffer | string | undefined {
    if (pdu.kind !== 'data-in') return undefined;
    const task = this.#slots.find(pdu.itt);
    if (task === undefined) return 'data-in-tag';
    const problem = takeDataIn(task, pdu);
    if (problem !== undefined) return problem;
    this.dataStart = pdu.bufferOffset;
    return task.dataIn;
  }

  received(pdu: TargetPdu, data: Buffer): string | undefined {
    if (this.#ended !== undefined) return undefined;
    this.#management.heard();
    if (isAfter(pdu.maxCmdSN, this.#maxCmdSN)) this.#maxCmdSN = pdu.maxCmdSN;
    const problem = this.#numbered(pdu) ?? this.#dispatch(pdu, data);
    if (problem === undefined) this.#startWaiting();
    return problem;
  }

  /** "StatSN … for each response": at error recovery level 0 a gap cannot be filled. */
  #numbered(pdu: TargetPdu): string | undefined {
    const counts =
      pdu.kind === 'data-in'
        ? pdu.hasStatus
        : pdu.kind !== 'r2t' && !(pdu.kind === 'nop-in' && pdu.itt === NO_TAG);
    if (!counts) return undefined;
    if (pdu.statSN !== this.#expStatSN) return 'stat-sn';
    this.#expStatSN = next(this.#expStatSN);
    return undefined;
  }

  #dispatch(pdu: TargetPdu, data: Buffer): string | undefined {
    switch (pdu.kind) {
      case 'data-in':
      case 'scsi-response': {
        const task = this.#slots.find(pdu.itt);
        if (task === undefined) return `${pdu.kind}-tag`;
        if (pdu.kind === 'data-in' && !pdu.hasStatus) return undefined;
        return answerTask(task, pdu, data, (sense) => {
          this.#slots.release(task);
          if (sense !== undefined) this.#management.sensed(task, sense);
        });
      }
      case 'r2t':
        return this.#answerR2t(pdu);
      case 'login-response':
      case 'text-response':
        return `${pdu.kind} in the full-feature phase`;
      case 'nop-in':
        if (pdu.ttt !== NO_TAG) this.#answerPing(pdu.lun, pdu.ttt);
        return this.#management.nopIn(pdu);
      case 'task-management-response':
        return this.#management.answered(pdu);
      case 'logout-response':
        return this.#management.loggedOut();
      case 'async-message':
        return this.#management.asyncMessage(pdu, data);
      case 'reject':
        return this.#management.rejected(pdu, data);
    }
  }

  #mustWait(): boolean {
    return (
      this.#slots.used >= COMMANDS_IN_FLIGHT ||
      isAfter(this.#cmdSN, this.#maxCmdSN) ||
      this.#link.outbox.unsent > UNSENT_BYTES
    );
  }

  #startWaiting(): void {
    while (this.#queueStart < this.#queue.length && !this.#mustWait()) {
      const task = this.#queue[this.#queueStart];
      this.#queueStart += 1;
      if (task !== undefined) this.#start(task);
    }
    if (this.#queueStart > 0 && this.#queueStart * 2 >= this.#queue.length) {
      this.#queue.splice(0, this.#queueStart);
      this.#queueStart = 0;
    }
    if (this.#leaving && this.busy === 0 && this.#ended === undefined) this.logout();
  }

  /** @param immediate ahead of what waits for the target's window (RFC 7143, 4.2.2.1) */
  #start(task: Task, immediate = false): void {
    const { outbox, parameters } = this.#link;
    const { dataOut } = task;
    task.start(this.#slots.take(task), this.#cmdSN, this.#timers.now());
    if (!immediate) this.#cmdSN = next(this.#cmdSN);
    const whole = dataOut?.length ?? 0;
    const burst = Math.min(whole, parameters.firstBurst);
    const inCommand = parameters.immediateData ? Math.min(burst, parameters.sendSegment) : 0;
    const unsolicited = parameters.initialR2T ? inCommand : burst;
    const { buffer, at } = outbox.begin();
    writeScsiCommand(buffer, at, {
      immediate,
      final: unsolicited === inCommand,
      read: task.dataIn !== undefined,
      write: dataOut !== undefined,
      attributes: SIMPLE,
      lun: task.lun,
      itt: task.itt,
      expectedLength: task.dataIn?.length ?? whole,
      cmdSN: task.cmdSN,
      expStatSN: this.#expStatSN,
      dataLength: inCommand,
    });
    encodeCdb(buffer, at + CDB_OFFSET, task.cdb);
    outbox.send(dataOut, 0, inCommand, task);
    task.sent = inCommand;
    if (unsolicited > inCommand) this.#sendData(task, NO_TAG, unsolicited - inCommand);
  }

  /** A sequence of Data-Out PDUs from where the task stands. */
  #sendData(task: Task, ttt: number, length: number): void {
    const { outbox, parameters } = this.#link;
    const end = task.sent + length;
    for (let dataSN = 0; task.sent < end; dataSN += 1) {
      const now = Math.min(parameters.sendSegment, end - task.sent);
      const { buffer, at } = outbox.begin();
      writeDataOut(buffer, at, {
        final: task.sent + now === end,
        lun: task.lun,
        itt: task.itt,
        ttt,
        expStatSN: this.#expStatSN,
        dataSN,
        bufferOffset: task.sent,
        dataLength: now,
      });
      outbox.send(task.dataOut, task.sent, task.sent + now, task);
      task.sent += now;
    }
  }

  /** Data is asked for in order, each part once, and never more than there is (DataSequenceInOrder, one R2T at a time). */
  #answerR2t(pdu: R2t): string | undefined {
    const task = this.#slots.find(pdu.itt);
    if (task?.dataOut === undefined) return 'r2t-tag';
    if (pdu.ttt === NO_TAG) return 'r2t-transfer-tag';
    if (pdu.r2tSN !== task.r2tSN) return 'r2t-sn';
    if (pdu.bufferOffset !== task.sent) return 'r2t-order';
    if (pdu.desiredLength === 0 || pdu.desiredLength > this.#link.parameters.maxBurst) {
      return 'r2t-length';
    }
    if (pdu.desiredLength > task.dataOut.length - task.sent) return 'r2t-beyond';
    task.r2tSN += 1;
    this.#sendData(task, pdu.ttt, pdu.desiredLength);
    return undefined;
  }

  #answerPing(lun: Lun, ttt: number): void {
    const { outbox } = this.#link;
    const { buffer, at } = outbox.begin();
    const [cmdSN, expStatSN] = [this.#cmdSN, this.#expStatSN];
    const immediate = true;
    const nop = { kind: 'nop-out', immediate, lun, itt: NO_TAG, ttt, cmdSN, expStatSN } as const;
    writeRequest(buffer, at, { ...nop, dataLength: 0 });
    outbox.send();
  }

  #giveBack(task: Task, reason: IscsiError): void {
    this.#slots.release(task);
    // Of a socket that is gone nothing is sent any more; libuv still calls back, a turn later.
    task.whenAllSent(() => task.lost(reason));
  }

  #leave(withinMs: number): void {
    if (this.#leaving || this.#ended !== undefined) return;
    this.#leaving = true;
    this.#management.leaveWithin(withinMs);
    this.#listener.leaving();
    if (this.busy === 0) this.logout();
  }
}

function writesOf(tasks: Iterable<Task>): readonly Lun[] {
  return [...tasks].flatMap(({ dataOut, lun }) => (dataOut === undefined ? [] : [lun]));
}
