import { Fault } from '../../src/errors/index.ts';

/** What the promise was refused with. @throws whatever else came of it */
export async function failure(promise: Promise<unknown>): Promise<Fault> {
  const error: unknown = await promise.then(
    () => 'it went well',
    (reason) => reason,
  );
  if (error instanceof Fault) return error;
  throw error;
}
