/** One SCSI command, from the first time it is sent until it has its answer: on one connection after the other if need be. */
import type { Cdb, Lun, Sense } from '../wire/index.ts';
import type { IscsiError } from './iscsi-error.ts';
import type { Sender } from './outbox.ts';

const NOT_SENT = -1;

export abstract class Task implements Sender {
  readonly lun: Lun;
  readonly cdb: Cdb;
  /** Filled with what is read. At most one of the two is there. */
  readonly dataIn: Buffer | undefined;
  readonly dataOut: Buffer | undefined;

  /** Of this attempt; the connection's alone. */
  itt = NOT_SENT;
  cmdSN = 0;
  /** Milliseconds on the connection's clock. */
  sentAt = 0;
  /** Bytes of `dataIn` that are there. */
  received = 0;
  /** Bytes of `dataOut` that were sent. */
  sent = 0;
  dataSN = 0;
  r2tSN = 0;
  aborting = false;
  /** Of Management alone: since when the target may have forgotten it, in milliseconds. */
  doubtedAt: number | undefined;
  unsent = 0;
  #onAllSent: (() => void) | undefined;

  constructor(lun: Lun, cdb: Cdb, dataIn: Buffer | undefined, dataOut: Buffer | undefined) {
    this.lun = lun;
    this.cdb = cdb;
    this.dataIn = dataIn;
    this.dataOut = dataOut;
  }

  /**
   * It was answered, and nothing refers to its buffers any more.
   * @param residual bytes fewer than expected that were moved
   */
  abstract completed(status: number, residual: number, sense: Sense | undefined): void;

  /** It has no answer and will have none. Nothing refers to its buffers any more. */
  abstract lost(reason: IscsiError): void;

  start(itt: number, cmdSN: number, now: number): void {
    this.itt = itt;
    this.cmdSN = cmdSN;
    this.sentAt = now;
    this.received = 0;
    this.sent = 0;
    this.dataSN = 0;
    this.r2tSN = 0;
    this.aborting = false;
    this.doubtedAt = undefined;
  }

  /** Runs `action` when the socket does not refer to our data any more. */
  whenAllSent(action: () => void): void {
    if (this.unsent === 0) action();
    else this.#onAllSent = action;
  }

  allSent(): void {
    const action = this.#onAllSent;
    this.#onAllSent = undefined;
    action?.();
  }
}
