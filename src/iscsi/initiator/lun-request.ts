/** A command of a device, on whatever path. */
import type { Errno } from '../../errors/index.ts';
import type { Cdb, Lun, Sense } from '../wire/index.ts';
import type { Connection } from './connection.ts';
import type { IscsiError } from './iscsi-error.ts';
import type { LunPath } from './lun-path.ts';
import { Task } from './task.ts';

/** Who sends it: the paths of its LUN. */
export interface RequestOwner {
  completed(request: LunRequest, status: number, residual: number, sense: Sense | undefined): void;
  lost(request: LunRequest, reason: IscsiError): void;
}

export abstract class LunRequest extends Task {
  readonly #owner: RequestOwner;
  /** Of the paths alone: until when it may be tried, in milliseconds, how often it was, and where the last time. */
  deadline = 0;
  retries = 0;
  via: LunPath | undefined;
  on: Connection | undefined;
  doubts = 0;

  constructor(
    owner: RequestOwner,
    lun: Lun,
    cdb: Cdb,
    dataIn: Buffer | undefined,
    dataOut: Buffer | undefined,
  ) {
    super(lun, cdb, dataIn, dataOut);
    this.#owner = owner;
  }

  /** It was done; all of its data was moved. */
  abstract succeeded(): void;
  abstract failed(errno: Errno, detail: string, cause?: Error): void;

  completed(status: number, residual: number, sense: Sense | undefined): void {
    this.#owner.completed(this, status, residual, sense);
  }

  lost(reason: IscsiError): void {
    this.#owner.lost(this, reason);
  }
}

/** Whether all the data of a read or write went over the wire. */
export function movedAll({ cdb, dataIn, dataOut, received, sent }: LunRequest): boolean {
  if (!('fua' in cdb)) return true;
  return received === (dataIn?.length ?? 0) && sent === (dataOut?.length ?? 0);
}
