/**
 * Commands that a target has thrown away. A LUN that another session has reset (another thread of ours, another server)
 * has forgotten our commands as well, and does not answer them (unless it has TAS). It says so to the next command that
 * it gets, by a unit attention: what was sent to it before and has no answer is gone, or about to be.
 *
 * Nobody may send a next command, when all wait for those that are gone. So when one takes long the LUN is asked whether
 * it is ready: a target that is only slow says that it is, and nothing happens.
 *
 * What may be gone is not believed to be: tgt says that it was reset while what it still works on goes on. Each such
 * command is aborted, and sent again only when the target has said that it is not there any more (management.ts).
 */
import { type Lun, SENSE_KEY, type Sense } from '../wire/index.ts';
import { Task } from './task.ts';

/** Additional sense codes, without qualifier: power on, reset or bus device reset occurred; commands cleared (SPC-4, annex F.2). */
const RESET = 0x29;
const CLEARED = 0x2f;

/** Whether earlier commands of the LUN may be gone. */
export function tellsOfReset({ key, asc }: Sense): boolean {
  return key === SENSE_KEY.unitAttention && (asc >> 8 === RESET || asc >> 8 === CLEARED);
}

/** TEST UNIT READY of a connection's own. */
export class ResetProbe extends Task {
  readonly #over: (sense: Sense | undefined) => void;

  /** @param over called once: with what the LUN had to say */
  constructor(lun: Lun, over: (sense: Sense | undefined) => void) {
    super(lun, { op: 'test-unit-ready' }, undefined, undefined);
    this.#over = over;
  }

  completed(_status: number, _residual: number, sense: Sense | undefined): void {
    this.#over(sense);
  }

  lost(): void {
    this.#over(undefined);
  }
}
