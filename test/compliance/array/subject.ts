/** What a test file gives to the compliance suite of the array ports, and what a part of the suite is. */

import type { ArrayErrorCode } from '../../../src/errors/index.ts';
import type {
  ArrayControl,
  ArrayRef,
  HostIdentity,
  VolumeData,
} from '../../../src/repositories/index.ts';

export interface Attachment {
  readonly control: ArrayControl;
  readonly data: VolumeData;
}

/** A pool of an array that belongs to the suite alone: it deletes everything there that is ours. */
export interface ArraySubject {
  /**
   * Attaches the repository; called again after a close, and once while another attachment is open only where
   * `attachTwice` says so. The suite closes what it got (data first).
   */
  attach(): Promise<Attachment>;
  /** Removes whatever stands behind it, after the last attachment was closed. */
  dispose?(): Promise<void>;
  /**
   * From now on `attach` gives another array, an empty one. Where deleting what a test has made takes longer than that: a
   * call of the array may be a process.
   */
  renew?(): Promise<void>;
  /** A quicker look, for `renew`, than listing its volumes with all that there is to know of them. */
  isEmpty?(): Promise<boolean>;
  /** Bytes of an ordinary volume of the suite; 1 MiB unless given. Rounded up to the array's granularity. */
  readonly volumeBytes?: number;
  /** Snapshots of one volume in the test of many; 40 unless given, never more than the array's limit. */
  readonly manySnapshots?: number;
  /** Steps of the random walk over trees; 60 unless given. Each is a call or two of the array. */
  readonly steps?: number;
  /** Who this server is on the storage network: mapped before a volume is opened, where the array masks. */
  readonly host?: HostIdentity;
  /** Must be found in no locator, no answer and no error. */
  readonly secrets?: readonly string[];
  /** Makes a volume behind our back, as an administrator would. */
  foreign?(name: string, size: number): Promise<ArrayRef>;
  readonly faults?: FaultHooks;
}

export interface FaultHooks {
  /** The next changing call is done, and its answer lost. */
  loseNextAnswer(): void | Promise<void>;
  /** The next changing call fails like this, with nothing done. Absent: cannot be injected. */
  failNext?(code: ArrayErrorCode): void | Promise<void>;
}

export type MakeArray = () => Promise<ArraySubject>;
