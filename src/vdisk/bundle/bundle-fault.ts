import { BlockError, Fault } from '../../errors/index.ts';
import { storageFault } from '../layers/index.ts';
import type { Violation } from './bundle-record.ts';

/** @param where in the bundle, for a person */
export function violationFault(where: string, wrong: Violation): Fault {
  const { field, value, expected } = wrong;
  return new Fault(
    wrong.unsupported === true ? 'IMAGE_UNSUPPORTED' : 'IMAGE_INVALID',
    `${where}: ${field} is ${value}; expected ${expected}`,
    { field, value, expected },
  );
}

export function cancelled(what: string): Fault {
  return new Fault('CANCELLED', `${what} was cancelled`);
}

/** What went wrong while a version was written: a Fault passes through. */
export function receiveFault(error: unknown, what: string): Fault {
  return storageFault(error, what);
}

/** What went wrong while a version was read: a Fault passes through. */
export function sendFault(error: unknown, what: string): Fault {
  if (error instanceof Fault) return error;
  const { errno } = BlockError.from(error, 'read', 0, 0);
  const code = errno === 'EPERM' ? 'PERMISSION_DENIED' : 'UNAVAILABLE';
  const message = error instanceof Error ? error.message : String(error);
  return new Fault(code, `${what}: cannot be read: ${message}`, {}, { cause: error });
}
