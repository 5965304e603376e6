import { Fault } from '../../../errors/index.ts';
import type { SnapshotCursor } from '../../catalog/storage/snapshot-table.ts';
import type { Control } from '../../control.ts';
import type { ListSnapshotsInput, SnapshotView } from '../../schemas/snapshot.ts';
import { findRepository, findSnapshot, findVolume } from './find-storage.ts';
import { type Paged, pageSize } from './list-volumes.ts';
import { snapshotView } from './snapshot-view.ts';

/** Oldest first, so that a parent comes before its children. @throws Fault NOT_FOUND, INVALID_INPUT */
export function listSnapshots(
  control: Control,
  repositoryName: string,
  { volume, orphaned = false, limit, after }: ListSnapshotsInput = {},
): Paged<SnapshotView> {
  const { catalog } = control;
  const { id: repositoryId } = findRepository(catalog, repositoryName);
  if (volume !== undefined && orphaned) {
    throw new Fault('INVALID_INPUT', 'what has a volume is no orphan', {
      field: 'volume',
      value: volume,
      expected: 'either volume or orphaned',
    });
  }
  const named =
    volume === undefined ? undefined : findVolume(catalog, repositoryName, volume).volume.id;
  const size = pageSize(limit);
  const found = catalog.snapshots.page({
    repositoryId,
    volumeId: orphaned ? null : named,
    after: after === undefined ? undefined : cursorOf(after),
    limit: size + 1,
  });
  const shown = found.slice(0, size);
  const last = shown.at(-1);
  return {
    items: shown.map((snapshot) => snapshotView(control, snapshot)),
    next: found.length > size && last !== undefined ? `${last.createdAt}.${last.id}` : null,
  };
}

/** @throws Fault NOT_FOUND */
export function showSnapshot(
  control: Control,
  repositoryName: string,
  address: string,
): SnapshotView {
  const { snapshot } = findSnapshot(control.catalog, repositoryName, address);
  return snapshotView(control, snapshot);
}

function cursorOf(after: string): SnapshotCursor {
  const match = /^(\d{1,16})\.(.+)$/.exec(after);
  if (match !== null) return { createdAt: Number(match[1]), id: match[2] ?? '' };
  throw new Fault('INVALID_INPUT', 'after is not the end of a page', {
    field: 'after',
    value: after,
    expected: '`next` of the page before, as it was',
  });
}
