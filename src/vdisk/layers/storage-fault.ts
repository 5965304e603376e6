import { BlockError, Fault } from '../../errors/index.ts';
import { FAULT_OF_ERRNO } from '../fault-of-errno.ts';

/**
 * A Fault passes through; anything else came from the repository or the layer's folder.
 * @param what e.g. `a.qcow2: the import`
 */
export function storageFault(error: unknown, what: string): Fault {
  if (error instanceof Fault) return error;
  const { errno } = BlockError.from(error, 'write', 0, 0);
  const message = error instanceof Error ? error.message : String(error);
  return new Fault(FAULT_OF_ERRNO[errno], `${what} failed: ${message}`, {}, { cause: error });
}

/** @param needed bytes at most; chunks of zeroes are known only when they are read */
export function noSpace(what: string, needed: number, free: number): Fault {
  return new Fault(
    'NO_SPACE',
    `${what} needs up to ${needed} bytes in the repository, which has ${free} free`,
    { field: 'repository.free', value: free, expected: `${needed} bytes` },
  );
}

/**
 * Runs work on a layer.
 * @throws Fault: CANCELLED when the signal was given, whatever came of it; else what was the matter
 */
export async function asLayerWork<T>(
  what: string,
  signal: AbortSignal,
  work: () => Promise<T>,
): Promise<T> {
  try {
    checkCancelled(what, signal);
    return await work();
  } catch (error) {
    if (signal.aborted) throw cancelled(what);
    throw storageFault(error, what);
  }
}

/** @throws Fault CANCELLED */
export function checkCancelled(what: string, signal: AbortSignal): void {
  if (signal.aborted) throw cancelled(what);
}

function cancelled(what: string): Fault {
  return new Fault('CANCELLED', `${what} was cancelled`);
}
