/** What the status of a command means for it: done, again, or an errno. */
import type { Errno } from '../../errors/index.ts';
import { ASC, SENSE_KEY, type Sense, STATUS } from '../wire/index.ts';

export type Outcome =
  | { readonly kind: 'good' }
  /** The same command at once; it was not done. */
  | { readonly kind: 'again' }
  /** The same command after a while. */
  | { readonly kind: 'later' }
  /** Something about the LUN changed: look which disk it is, and how large, then the same command. */
  | { readonly kind: 'look' }
  /**
   * This cannot be, as we know the LUN: look as above and try again before it is believed. (LIO puts a tiny, write
   * protected disk in the place of a LUN 0 that was taken away, and sends no unit attention.)
   */
  | { readonly kind: 'doubt'; readonly errno: Errno; readonly detail: string }
  | { readonly kind: 'failed'; readonly errno: Errno; readonly detail: string };

const GOOD: Outcome = { kind: 'good' };
const AGAIN: Outcome = { kind: 'again' };
const LATER: Outcome = { kind: 'later' };
const LOOK: Outcome = { kind: 'look' };

/** @param changes it is a write, trim or zero */
export function outcomeOf(status: number, sense: Sense | undefined, changes: boolean): Outcome {
  switch (status) {
    case STATUS.good:
      return GOOD;
    case STATUS.checkCondition:
      return outcomeOfSense(sense, changes);
    case STATUS.busy:
    case STATUS.taskSetFull:
      return LATER;
    case STATUS.taskAborted:
      return AGAIN;
    case STATUS.reservationConflict:
      return failed('EPERM', 'another initiator has reserved the LUN');
    default:
      return failed('EIO', `SCSI status ${status}`);
  }
}

function outcomeOfSense(sense: Sense | undefined, changes: boolean): Outcome {
  if (sense === undefined) return failed('EIO', 'CHECK CONDITION without sense data');
  // An earlier command failed behind its answer. This one was not done (SPC-4, 4.5.7), and may be tried again;
  // what failed is lost, as after a failed fsync: the one error that must not be swallowed.
  if (sense.deferred) return failed('EIO', words('deferred error', sense));
  switch (sense.key) {
    case SENSE_KEY.noSense:
    case SENSE_KEY.recoveredError:
      return GOOD;
    case SENSE_KEY.unitAttention:
      return LOOK;
    case SENSE_KEY.notReady:
      return LOOK;
    case SENSE_KEY.abortedCommand:
      return LATER;
    case SENSE_KEY.illegalRequest:
      return outcomeOfIllegal(sense, changes);
    case SENSE_KEY.dataProtect:
      return sense.asc === ASC.spaceAllocationFailed
        ? failed('ENOSPC', 'the array has no space left')
        : doubt('EROFS', words('write protected', sense));
    case SENSE_KEY.volumeOverflow:
      return failed('ENOSPC', words('volume overflow', sense));
    case SENSE_KEY.mediumError:
      return failed('EIO', words('medium error', sense));
    case SENSE_KEY.hardwareError:
      return failed('EIO', words('hardware error', sense));
    default:
      return failed('EIO', words(`sense key ${sense.key}`, sense));
  }
}

function outcomeOfIllegal(sense: Sense, changes: boolean): Outcome {
  switch (sense.asc) {
    case ASC.logicalUnitNotSupported:
      return LOOK;
    case ASC.lbaOutOfRange:
      return doubt(changes ? 'ENOSPC' : 'EINVAL', 'beyond the end of the LUN');
    case ASC.invalidOpcode:
      return failed('ENOTSUP', 'the LUN does not know this command');
    default:
      return failed('EINVAL', words('illegal request', sense));
  }
}

function doubt(errno: Errno, detail: string): Outcome {
  return { kind: 'doubt', errno, detail };
}

function failed(errno: Errno, detail: string): Outcome {
  return { kind: 'failed', errno, detail };
}

const words = (what: string, { asc }: Sense): string =>
  `${what} (${asc.toString(16).padStart(4, '0')})`;
