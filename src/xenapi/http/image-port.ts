/**
 * What imports and exports ask of sessions, tasks and records. Implemented where those are; tests have one in memory.
 */
import type { Caller } from '../call.ts';
import type { Ref } from '../datamodel/description.ts';
import type { ByteRange } from '../images/index.ts';
import type { OpenDisk } from '../ports.ts';
import type { NewTask, RunningTask } from '../tasks-port.ts';

export type Credentials =
  | { readonly kind: 'session'; readonly session: Ref }
  | { readonly kind: 'password'; readonly user: string; readonly password: string };

export interface Login {
  readonly caller: Caller;
  /** Ends the session that was made for this request; of one that was there before nothing. */
  end(): Promise<void>;
}

export interface ImageVdi {
  readonly ref: Ref;
  readonly uuid: string;
  /** Bytes. */
  readonly size: number;
  readonly isReadOnly: boolean;
}

/** How an SR is named: by a ref or by a UUID. */
export type SrName = { readonly ref: Ref } | { readonly uuid: string };

export interface ImagePort {
  /** @param address of the client @returns undefined: there is no such session, or it is the wrong password */
  authenticate(credentials: Credentials, address: string): Promise<Login | undefined>;

  /**
   * The task that a client made for the transfer.
   * @throws XenError HANDLE_INVALID, and of a task that is not the caller's
   */
  joinTask(ref: Ref, caller: Caller): RunningTask;
  /** One that is made for the transfer, seen by everybody or by nobody. @throws XenError TOO_MANY_PENDING_TASKS */
  beginTask(task: NewTask, isSeen: boolean): RunningTask;
  /** Ends a task on behalf of somebody who was not let in; without an answer when there is none. */
  failTask(ref: Ref, error: readonly [string, ...string[]]): void;

  /** @param name ref or UUID @throws XenError HANDLE_INVALID, UUID_INVALID */
  vdi(name: string): ImageVdi;
  /** @throws XenError HANDLE_INVALID, UUID_INVALID */
  sr(name: SrName): Ref;
  /** One of `user` type that is all zeroes. Unless `keepVdi` is called it goes when the service dies. @throws XenError */
  createVdi(caller: Caller, sr: Ref, size: number, label: string): Promise<ImageVdi>;
  /** @throws XenError */
  destroyVdi(caller: Caller, vdi: ImageVdi): Promise<void>;
  /** What `createVdi` made holds what it was made for. */
  keepVdi(vdi: ImageVdi): void;

  /**
   * Nothing deletes, reverts or resizes it until it is closed; `current_operations` of the VDI may say so.
   * @throws XenError VDI_IN_USE, SR_HAS_NO_PBDS …: why not now
   */
  open(vdi: ImageVdi, options: { readonly write: boolean; readonly task: Ref }): Promise<OpenDisk>;
  /**
   * Ranges of `vdi` that may differ from `base`: never less than do; what `vdi` is longer by among them.
   * @returns undefined: nobody knows, both are read
   */
  differences(base: ImageVdi, vdi: ImageVdi): AsyncIterable<ByteRange> | undefined;
}
