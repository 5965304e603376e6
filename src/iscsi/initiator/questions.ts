/** Asking a LUN things: commands with a promise each, for what is rare. */
import type { Cdb, Lun, Sense } from '../wire/index.ts';
import { SENSE_KEY, STATUS } from '../wire/index.ts';
import type { Connection } from './connection.ts';
import type { IscsiError } from './iscsi-error.ts';
import { ATTENTIONS_IN_A_ROW } from './limits.ts';
import { Task } from './task.ts';

export interface Answer {
  readonly status: number;
  readonly sense: Sense | undefined;
  /** What was read, as far as it came. */
  readonly data: Buffer;
}

class Question extends Task {
  readonly #resolve: (answer: Answer) => void;
  readonly #reject: (reason: IscsiError) => void;

  constructor(
    lun: Lun,
    cdb: Cdb,
    dataIn: Buffer | undefined,
    resolve: (answer: Answer) => void,
    reject: (reason: IscsiError) => void,
  ) {
    super(lun, cdb, dataIn, undefined);
    this.#resolve = resolve;
    this.#reject = reject;
  }

  completed(status: number, _residual: number, sense: Sense | undefined): void {
    const data = this.dataIn?.subarray(0, this.received) ?? Buffer.alloc(0);
    this.#resolve({ status, sense, data });
  }

  lost(reason: IscsiError): void {
    this.#reject(reason);
  }
}

/** @throws IscsiError no answer */
function askOnce(connection: Connection, lun: Lun, cdb: Cdb): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const length = 'allocation' in cdb ? cdb.allocation : cdb.op === 'read-capacity-10' ? 8 : 0;
    const dataIn = length === 0 ? undefined : Buffer.alloc(length);
    connection.submit(new Question(lun, cdb, dataIn, resolve, reject));
  });
}

/** The same, but a unit attention only makes it ask again. @throws IscsiError no answer */
export async function ask(connection: Connection, lun: Lun, cdb: Cdb): Promise<Answer> {
  for (let times = 1; ; times += 1) {
    const answer = await askOnce(connection, lun, cdb);
    const attention =
      answer.status === STATUS.checkCondition && answer.sense?.key === SENSE_KEY.unitAttention;
    if (!attention || times === ATTENTIONS_IN_A_ROW) return answer;
  }
}

/** What was read; undefined: the LUN refused. @throws IscsiError no answer */
export async function askData(
  connection: Connection,
  lun: Lun,
  cdb: Cdb,
): Promise<Buffer | undefined> {
  const { status, data } = await ask(connection, lun, cdb);
  return status === STATUS.good ? data : undefined;
}
