import { Fault } from '../../../errors/index.ts';
import type { Control } from '../../control.ts';
import { DEFAULT_RANGES_PER_PAGE, MAX_RANGES_PER_PAGE } from '../../limits.ts';
import type { DiffInput, DiffView } from '../../schemas/snapshot.ts';
import { requireAttached, snapshotNameOf } from '../../storage/names.ts';
import { findSnapshot } from './find-storage.ts';

/**
 * What may differ between two snapshots, or all that one holds; a page of it.
 * @param address of the later one
 * @throws Fault NOT_FOUND, INVALID_INPUT, UNREACHABLE, UNSUPPORTED
 */
export async function diffSnapshots(
  control: Control,
  repositoryName: string,
  address: string,
  { from: fromAddress, offset = 0, length, limit = DEFAULT_RANGES_PER_PAGE }: DiffInput = {},
): Promise<DiffView> {
  const { repository, snapshot: to } = findSnapshot(control.catalog, repositoryName, address);
  const from =
    fromAddress === undefined
      ? undefined
      : findSnapshot(control.catalog, repositoryName, fromAddress, 'from').snapshot;
  requireAttached(control, repository);
  if (offset >= to.size) {
    throw new Fault('INVALID_INPUT', 'the offset is behind the end of the snapshot', {
      field: 'offset',
      value: offset,
      expected: `less than its ${to.size} bytes`,
    });
  }
  const most = Math.min(limit, MAX_RANGES_PER_PAGE);
  const end = Math.min(to.size, offset + (length ?? to.size));
  const ranges = await control.storage.diff({
    from: from === undefined ? undefined : snapshotNameOf(from),
    to: snapshotNameOf(to),
    offset,
    length: end - offset,
    limit: most,
  });
  const last = ranges.at(-1);
  // The storage may stop early; only an answer without ranges says that there are no more.
  const lookedAt = last === undefined ? end : last.offset + last.length;
  return {
    from: from?.id ?? null,
    to: to.id,
    size: to.size,
    ranges: ranges.map((range) => ({ ...range })),
    next: lookedAt < end ? lookedAt : null,
  };
}
