/** What a reader must know before the figures: when they say little. */
import type { Result } from '../result.ts';
import { MAX_NOISY_SHARE } from './limits.ts';

/** A run for a second is a check that everything works, whether it was asked for by name or not. */
export const isQuick = ({ quick, rounds, seconds }: Readonly<Record<string, unknown>>): boolean =>
  quick === undefined ? rounds === 1 && seconds === 1 : quick === true;

/** Sentences; none: the figures may be read as they are. */
export function caveatsOf({ conditions, cells }: Result): readonly string[] {
  const caveats: string[] = [];
  if (isQuick({ ...conditions.options })) {
    caveats.push('A quick run: it shows that everything works, its figures are no verdict.');
  }
  const noisy = cells.filter((cell) => cell.noisy).length;
  if (noisy > cells.length * MAX_NOISY_SHARE) {
    caveats.push(
      `${noisy} of ${cells.length} measurements were noisy: the machine was busy with other things.`,
    );
  }
  return caveats;
}
