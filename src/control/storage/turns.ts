import type { Control } from '../control.ts';

/**
 * What changes the same thing goes one after the other. Several keys are taken in one order, so that two who want
 * the same do not wait for each other.
 */
export function inTurn<T>(
  { storageTurns }: Pick<Control, 'storageTurns'>,
  keys: readonly string[],
  work: () => Promise<T>,
): Promise<T> {
  const [first, ...rest] = [...new Set(keys)].sort();
  if (first === undefined) return work();
  return storageTurns.run(first, () => inTurn({ storageTurns }, rest, work));
}
