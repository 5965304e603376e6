/** What a target may say about a command, and what it may not. */
import { type DataIn, decodeSense, type ScsiResponse, type Sense, STATUS } from '../wire/index.ts';
import type { Task } from './task.ts';

/** Read data arrives in order and inside what was asked for. Counts it. @returns a violation */
export function takeDataIn(task: Task, pdu: DataIn): string | undefined {
  if (task.dataIn === undefined) return 'data-in-unexpected';
  if (pdu.dataSN !== task.dataSN) return 'data-in-sn';
  if (pdu.bufferOffset !== task.received) return 'data-in-order';
  if (pdu.dataLength > task.dataIn.length - task.received) return 'data-in-beyond';
  task.dataSN += 1;
  task.received += pdu.dataLength;
  return undefined;
}

/**
 * The command has its answer.
 * @param data sense data of a response
 * @param release takes it out of the commands in flight, before its owner may send it again; is told the sense data
 * @returns a violation, and then it has no answer
 */
export function answerTask(
  task: Task,
  pdu: DataIn | ScsiResponse,
  data: Buffer,
  release: (sense: Sense | undefined) => void,
): string | undefined {
  if (pdu.kind === 'scsi-response' && pdu.response !== 0) return 'response-target-failure';
  const expected = task.dataIn?.length ?? task.dataOut?.length ?? 0;
  const residual = pdu.underflow ? pdu.residual : 0;
  if (pdu.underflow && pdu.overflow) return 'residual-both';
  if (residual > expected) return 'residual-beyond';
  if (pdu.status === STATUS.good) {
    if (task.dataIn !== undefined && task.received + residual !== expected)
      return 'data-in-missing';
    // Otherwise it would call done what it cannot have: the rest of the data never left us.
    if (task.dataOut !== undefined && task.sent + residual < expected) return 'data-out-missing';
  }
  const sense = pdu.kind === 'scsi-response' && data.length > 0 ? decodeSense(data) : undefined;
  release(sense);
  if (task.unsent === 0) task.completed(pdu.status, residual, sense);
  else task.whenAllSent(() => task.completed(pdu.status, residual, sense));
  return undefined;
}
