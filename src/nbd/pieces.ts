import { isPromise, type MaybePromise } from '../base/index.ts';

/**
 * Does `[0, length)` in pieces of at most `maximum`. All pieces are started in order and at once, so
 * that writes keep their place among other writes; settles when all have, with the first failure.
 */
export function inPieces(
  length: number,
  maximum: number,
  piece: (start: number, end: number) => MaybePromise<void>,
): MaybePromise<void> {
  const waiting: Promise<void>[] = [];
  for (let start = 0; start < length; start += maximum) {
    let result: MaybePromise<void>;
    try {
      result = piece(start, Math.min(start + maximum, length));
    } catch (error) {
      // What was started may still use the caller's memory: wait for it, then fail.
      if (waiting.length === 0) throw error;
      return settleAll(waiting).then(() => {
        throw error;
      });
    }
    if (isPromise(result)) waiting.push(result);
  }
  return waiting.length === 0 ? undefined : settleAll(waiting);
}

async function settleAll(waiting: readonly Promise<void>[]): Promise<void> {
  const results = await Promise.allSettled(waiting);
  for (const result of results) {
    if (result.status === 'rejected') throw result.reason;
  }
}
