/** Looking before making: by tag, by name, by limit. */
import { ArrayError } from '../../errors/index.ts';
import { VOLUMES } from './limits.ts';
import type { SimulatedArray } from './simulated-array.ts';

export function findByTag<T extends { readonly tag: string | undefined }>(
  among: Iterable<T>,
  tag: string,
): T | undefined {
  for (const each of among) if (each.tag === tag) return each;
  return undefined;
}

/** @throws ArrayError ALREADY_EXISTS_DIFFERENT, LIMIT_REACHED */
export function checkNameIsFree({ volumes }: SimulatedArray, name: string): void {
  if (volumes.size >= VOLUMES) {
    throw new ArrayError('LIMIT_REACHED', `this array holds ${VOLUMES} volumes at most`);
  }
  for (const volume of volumes.values()) {
    if (volume.name !== name) continue;
    throw new ArrayError('ALREADY_EXISTS_DIFFERENT', `there is another volume ${name}`);
  }
}
