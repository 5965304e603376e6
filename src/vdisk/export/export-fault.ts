import { BlockError, Fault } from '../../errors/index.ts';
import { FAULT_OF_ERRNO } from '../fault-of-errno.ts';

export function cancelled(): Fault {
  return new Fault('CANCELLED', 'the export was cancelled');
}

export function invalid(field: string, value: unknown, expected: string): Fault {
  const details = { field, value, expected };
  return new Fault('INVALID_INPUT', `${field} is ${String(value)}; expected ${expected}`, details);
}

/** A disk that cannot be read. */
export function readFault(error: unknown, offset: number, length: number): Fault {
  const block = BlockError.from(error, 'read', offset, length);
  return new Fault(
    'UNAVAILABLE',
    `the disk to be exported: ${block.message}`,
    {},
    { cause: error },
  );
}

/** A file that cannot be written. */
export function writeFault(error: unknown, path: string): Fault {
  if (error instanceof Fault) return error;
  const { errno } = BlockError.from(error, 'write', 0, 0);
  const reason = error instanceof Error ? error.message : String(error);
  const details = { field: 'path', value: path };
  const message = `${path}: cannot be written: ${reason}`;
  return new Fault(FAULT_OF_ERRNO[errno], message, details, { cause: error });
}

/** The second pass over a sealed disk came to other bytes than the first. */
export function changedUnderUs(): Fault {
  return new Fault('INTERNAL', 'the disk changed while it was exported');
}
