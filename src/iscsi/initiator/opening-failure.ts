/** Why a LUN could not be opened, when none of its paths is ready. */
import { IscsiError } from './iscsi-error.ts';
import type { LunPath } from './lun-path.ts';

/** No path leads to the disk that was asked for, but one leads to another. */
export class OtherDisk extends Error {
  override readonly name = 'OtherDisk';
}

/** @param wwid of the disk that was asked for */
export function openingFailure(paths: readonly LunPath[], wwid: string | undefined): Error {
  const other = paths.find(({ state }) => state === 'other-disk');
  if (other === undefined || paths.some(({ state }) => state === 'smaller')) return worstOf(paths);
  return new OtherDisk(`not the disk ${wwid}: ${other.failure?.message}`);
}

/** What tells most about why nothing works. */
function worstOf(paths: readonly LunPath[]): Error {
  const failures = paths.flatMap(({ failure }) => failure ?? []);
  const telling = failures.find(
    (error) => !(error instanceof IscsiError) || error.failure !== 'unreachable',
  );
  return telling ?? failures[0] ?? new IscsiError('unreachable', 'there is no path');
}
