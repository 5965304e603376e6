import { BlockError, Fault } from '../../errors/index.ts';
import { FAULT_OF_ERRNO } from '../fault-of-errno.ts';

/** A Fault passes through; anything else came from the repository or the layer's folder. */
export function importFault(error: unknown, image: string): Fault {
  if (error instanceof Fault) return error;
  const { errno } = BlockError.from(error, 'write', 0, 0);
  const message = error instanceof Error ? error.message : String(error);
  return new Fault(
    FAULT_OF_ERRNO[errno],
    `${image}: cannot be written into the repository: ${message}`,
    {},
    { cause: error },
  );
}

/** @param needed bytes at most; the image's chunks of zeroes are known only when they are read */
export function noSpace(image: string, needed: number, free: number): Fault {
  return new Fault(
    'NO_SPACE',
    `${image}: needs up to ${needed} bytes in the repository, which has ${free} free`,
    { field: 'repository.free', value: free, expected: `${needed} bytes` },
  );
}

export function cancelled(image: string): Fault {
  return new Fault('CANCELLED', `${image}: the import was cancelled`);
}
