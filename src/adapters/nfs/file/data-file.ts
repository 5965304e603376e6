/**
 * One file of a share as bytes, for all devices of a thread that have it open.
 *
 * A WRITE without fua is UNSTABLE: the server may lose it when it restarts. It is kept here until a COMMIT with the
 * verifier of the WRITE's answer says that it is stable (RFC 1813, section 3.3.21; RFC 7530, section 16.36). Another
 * verifier: the server has restarted, and what it lost is written again, before anything else is asked (`recover`) and
 * before any flush settles. So a read never shows that the server had forgotten a write.
 */
import { GroupCommit, RangeLock } from '../../../base/index.ts';
import { BlockError, type BlockOperation } from '../../../errors/index.ts';
import {
  COMMIT_BEHIND_BYTES,
  COMMIT_BEHIND_WRITES,
  PUT_OFF_FIRST_MS,
  PUT_OFF_MOST_MS,
  STATE_ATTEMPTS,
} from '../limits.ts';
import type { RpcFailure } from '../rpc/failure.ts';
import { blockErrorOf, isGone, NfsError } from '../share/nfs-error.ts';
import type { NfsShare, OpenHandle, Recoverable } from '../share/share.ts';
import { DATA_SYNC, type DataCodec, type DataTemplates, UNSTABLE } from '../wire/data.ts';
import {
  type CallFile,
  CommitCall,
  type DataCall,
  RESULT,
  ReadCall,
  WriteCall,
  writeFrameBytes,
  writeHeadBytes,
  ZeroCall,
} from './data-call.ts';
import { rewriteLost } from './rewrite-lost.ts';
import type { Sharing } from './sharing.ts';
import { Uncommitted } from './uncommitted.ts';
import type { WriteMemory } from './write-memory.ts';

export interface DataFileParts {
  readonly share: NfsShare;
  readonly open: OpenHandle;
  readonly memory: WriteMemory;
  /** Bytes of one READ and one WRITE. */
  readonly readMost: number;
  readonly writeMost: number;
  /** Absent: nobody else opens the file. */
  readonly sharing?: Sharing;
  /** Acknowledged data could not be brought back. */
  readonly onBroken: (error: Error) => void;
}

export class DataFile implements CallFile, Recoverable {
  readonly codec: DataCodec;
  readonly readMost: number;
  readonly writeMost: number;
  readonly #share: NfsShare;
  readonly #open: OpenHandle;
  readonly #memory: WriteMemory;
  readonly #sharing: Sharing | undefined;
  readonly #onBroken: (error: Error) => void;
  readonly #ranges = new RangeLock();
  readonly #kept: Uncommitted;
  readonly #commit = new GroupCommit(() => this.#commitAll());
  readonly #leave: (() => void)[];
  /** UNSTABLE writes that are not answered yet. */
  #unstableCalls = 0;
  #noneUnderWay: (() => void) | undefined;
  #settling = false;
  /** Of others upon this one, to settle. */
  #calls = 0;
  #behind = false;
  #broken: Error | undefined;

  constructor(parts: DataFileParts) {
    this.#share = parts.share;
    this.#open = parts.open;
    this.#memory = parts.memory;
    this.#sharing = parts.sharing;
    this.#onBroken = parts.onBroken;
    this.codec = parts.open.codec;
    this.readMost = parts.readMost;
    const head = writeFrameBytes(this, 0);
    this.writeMost = Math.min(parts.writeMost, (parts.memory.largest - head) & ~3);
    this.#kept = new Uncommitted(parts.memory);
    this.#leave = [parts.share.watch(this), parts.memory.join(() => this.commitBehind())];
  }

  get templates(): DataTemplates {
    return this.#open.templates;
  }

  get handle(): Buffer {
    return this.#open.handle;
  }

  /** Bytes that the server may still lose. */
  get uncommitted(): number {
    return this.#kept.bytes;
  }

  /** At most readMost bytes, all of them. */
  read(target: Buffer, offset: number): Promise<void> {
    return new Promise((resolve, reject) => {
      const call = new ReadCall(this, target, offset, resolve, reject);
      if (this.#check(call)) this.#share.submit(call);
    });
  }

  /** At most writeMost bytes. Overlapping writes are made in the order in which they were asked for. */
  write(source: Buffer, offset: number, fua: boolean): Promise<void> {
    return this.#ranges.run(offset, offset + source.length, () =>
      this.#write(source, offset, fua),
    ) as Promise<void>;
  }

  /** At most writeMost bytes. */
  zero(offset: number, length: number): Promise<void> {
    return this.#ranges.run(
      offset,
      offset + length,
      () =>
        new Promise<void>((resolve, reject) => {
          this.#start(new ZeroCall(this, offset, length, this.#stability(false), resolve, reject));
        }),
    ) as Promise<void>;
  }

  /** Everything that was answered before is stable afterwards. */
  flush(): Promise<void> {
    return this.#commit.request();
  }

  commitBehind(): void {
    if (this.#behind || this.#kept.count === 0) return;
    this.#behind = true;
    const over = (): void => {
      this.#behind = false;
      if (this.#memory.pressed) this.commitBehind();
    };
    this.#commit.request().then(over, over); // a flush that fails tells; the data stays here
  }

  /** Commits what is left. */
  async close(): Promise<void> {
    try {
      if (this.#kept.count > 0 && this.#broken === undefined) await this.flush();
    } finally {
      for (const leave of this.#leave) leave();
      this.#kept.clear();
      this.#sharing?.settled();
      await this.#open.close();
    }
  }

  async recover(): Promise<void> {
    const broken = this.#broken ?? this.#open.broken;
    if (broken !== undefined) return this.#breakFor(broken);
    if (this.#kept.count === 0) return;
    try {
      await rewriteLost(this, this.#kept, (call) => this.#share.urgent(call));
    } catch (error) {
      // Lost again, put off, or in doubt: the connection is made anew and all of this done again.
      if (!(error instanceof NfsError) || this.#share.judge(error.status) !== 'failed') throw error;
      this.#breakFor(error);
    }
  }

  #breakFor(error: Error): void {
    this.#broken = error;
    if (this.#kept.count > 0) this.#onBroken(error);
    this.#kept.clear();
    this.#sharing?.settled();
  }

  #stability(fua: boolean): number {
    if (fua) return DATA_SYNC;
    return this.#sharing?.mayBeUnstable(this.#calledUpon) === false ? DATA_SYNC : UNSTABLE;
  }

  /** Another thread opens the file, and waits until nothing is unstable; or asks again when its patience is over. */
  readonly #calledUpon = (): void => {
    this.#calls += 1;
    if (this.#settling) return;
    this.#settling = true;
    const calls = this.#calls;
    const over = (): void => {
      this.#settling = false;
      if (calls !== this.#calls) this.#calledUpon();
    };
    this.#settle().then(over, over);
  };

  async #settle(): Promise<void> {
    while (this.#sharing?.alone === false) {
      const broken = this.#broken ?? this.#open.broken;
      if (broken !== undefined) return this.#breakFor(broken); // there is nothing to wait for any more
      if (this.#unstableCalls > 0) {
        await new Promise<void>((resolve) => {
          this.#noneUnderWay = resolve;
        });
      }
      await this.flush();
      if (this.#unstableCalls === 0 && this.#kept.count === 0) return this.#sharing.settled();
    }
  }

  #write(source: Buffer, offset: number, fua: boolean): Promise<void> {
    const segment = this.#memory.reserve(writeFrameBytes(this, source.length));
    if (segment === undefined) return this.#writeLater(source, offset, fua);
    const stable = this.#stability(fua);
    return new Promise((resolve, reject) => {
      const at = segment.used - writeFrameBytes(this, source.length) + writeHeadBytes(this);
      const data = segment.buffer.subarray(at, at + source.length);
      data.set(source);
      this.#start(new WriteCall(this, data, segment, offset, stable, resolve, reject));
    });
  }

  async #writeLater(source: Buffer, offset: number, fua: boolean): Promise<void> {
    await this.#memory.room();
    await this.#write(source, offset, fua);
  }

  #start(call: WriteCall): void {
    if (call.stable === UNSTABLE) this.#unstableCalls += 1;
    if (this.#check(call)) this.#share.submit(call);
    else this.#release(call, false);
  }

  /** A file that cannot be reached any more fails at once. */
  #check(call: DataCall): boolean {
    this.#broken ??= this.#open.broken;
    if (this.#broken === undefined) return true;
    call.reject(blockErrorOf(this.#broken, operationOf(call), call.offset, call.count));
    return false;
  }

  async #commitAll(): Promise<void> {
    for (let attempt = 0; attempt < STATE_ATTEMPTS; attempt += 1) {
      const { sequence } = this.#kept;
      const call = await new Promise<CommitCall>((resolve, reject) => {
        const made: CommitCall = new CommitCall(this, 0, 0, () => resolve(made), reject, true);
        if (this.#check(made)) this.#share.submit(made);
      });
      if (this.#kept.committed(sequence, call.verifierHigh, call.verifierLow)) return;
      await this.#share.recoverNow();
    }
    throw new BlockError(
      'EIO',
      'flush',
      0,
      0,
      'the server forgets what was written, again and again',
    );
  }

  answered(call: DataCall): void {
    if (call.repeatable && this.#broken !== undefined) this.#refuseBroken(call, this.#broken);
    else if (RESULT.status !== 0) this.#refused(call, RESULT.status);
    else if (call instanceof ReadCall) this.#readAnswered(call, RESULT.count);
    else if (call instanceof WriteCall) this.#writeAnswered(call);
    else if (call instanceof CommitCall) {
      call.verifierHigh = RESULT.verifierHigh;
      call.verifierLow = RESULT.verifierLow;
      call.resolve();
    }
  }

  /** It was under way when what it relies on was lost. */
  #refuseBroken(call: DataCall, broken: Error): void {
    if (call instanceof WriteCall) this.#release(call, false);
    call.reject(blockErrorOf(broken, operationOf(call), call.offset, call.count));
  }

  failed(call: DataCall, failure: RpcFailure): void {
    // What was sent may still be looked at by a socket.
    if (call instanceof WriteCall) this.#release(call, call.sent);
    call.reject(
      call.repeatable ? blockErrorOf(failure, operationOf(call), call.offset, call.count) : failure,
    );
  }

  #readAnswered(call: ReadCall, count: number): void {
    if (count === call.count) {
      call.resolve();
      return;
    }
    const { offset, target } = call;
    if (count === 0) {
      const message = 'the file is shorter than it was';
      call.reject(new BlockError('EIO', 'read', offset, call.count, message));
      return;
    }
    // Less than was asked for is no error and no end of the file (RFC 1813, section 3.3.6).
    this.read(target.subarray(count), offset + count).then(call.resolve, call.reject);
  }

  #writeAnswered(call: WriteCall): void {
    const { count, verifierHigh, verifierLow, committed } = RESULT;
    call.written = count;
    call.committed = committed;
    call.verifierHigh = verifierHigh;
    call.verifierLow = verifierLow;
    if (!call.repeatable) {
      call.resolve(); // of rewriteLost, which looks at it
      return;
    }
    const stable = committed !== UNSTABLE;
    const forgotten = this.#kept.contradicts(verifierHigh, verifierLow);
    // A stable write hides older ones of its range, should they have to be written again.
    if (count > 0 && (!stable || this.#kept.count > 0)) {
      this.#kept.add(call);
      this.#over(call);
    } else this.#release(call, false);
    if (forgotten) void this.#share.recoverNow();
    if (count < call.count) this.#writeRest(call, count);
    else if (call.stable > committed) this.flush().then(call.resolve, call.reject);
    else call.resolve();
    this.#commitBehindMaybe();
  }

  #commitBehindMaybe(): void {
    const much = this.#kept.bytes > COMMIT_BEHIND_BYTES || this.#kept.count > COMMIT_BEHIND_WRITES;
    if (much || this.#memory.pressed) this.commitBehind();
  }

  #writeRest(call: WriteCall, count: number): void {
    if (count === 0) {
      const message = 'the server takes no bytes';
      call.reject(new BlockError('EIO', 'write', call.offset, call.count, message));
      return;
    }
    const rest = Buffer.from(call.data.subarray(count));
    this.#write(rest, call.offset + count, call.stable !== UNSTABLE).then(
      call.resolve,
      call.reject,
    );
  }

  #refused(call: DataCall, status: number): void {
    const verdict = this.#share.judge(status);
    if (verdict === 'later' && call.repeatable) {
      call.pause = Math.min(Math.max(call.pause * 2, PUT_OFF_FIRST_MS), PUT_OFF_MOST_MS);
      this.#share.resubmit(call, call.pause);
      return;
    }
    if (verdict === 'state' && call.repeatable && call.refusals < STATE_ATTEMPTS) {
      call.refusals += 1;
      // Those that went out with an older state need no more than the newer one.
      if (call.templates === this.templates) void this.#share.recoverNow();
      if (this.#check(call)) this.#share.resubmit(call, 0);
      else if (call instanceof WriteCall) this.#release(call, false);
      return;
    }
    const error = new NfsError(status, operationOf(call));
    // It was removed: nothing of it can be kept, and nothing need be.
    if (call instanceof CommitCall && isGone(status) && call.repeatable) this.#breakFor(error);
    if (call instanceof WriteCall) this.#release(call, false);
    call.reject(
      call.repeatable ? blockErrorOf(error, operationOf(call), call.offset, call.count) : error,
    );
  }

  /** It is not under way any more. */
  #over(call: WriteCall): void {
    if (call.stable !== UNSTABLE || !call.repeatable) return;
    this.#unstableCalls -= 1;
    if (this.#unstableCalls > 0) return;
    this.#noneUnderWay?.();
    this.#noneUnderWay = undefined;
  }

  #release(call: WriteCall, spoilt: boolean): void {
    this.#over(call);
    const { segment } = call;
    if (segment === undefined) return;
    if (spoilt) segment.spoilt = true;
    this.#memory.release(segment);
  }
}

function operationOf(call: DataCall): BlockOperation {
  if (call instanceof ReadCall) return 'read';
  return call instanceof WriteCall ? 'write' : 'flush';
}
