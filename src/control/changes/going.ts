/**
 * What must be written down before a snapshot's data may go, and what is forgotten with it. Pure but for the catalog.
 *
 *     anchor    itself stays to be asked for: logs lead to it and from it
 *     leaving   only what lies on either side of it stays: where one side has no data, a log leads past it
 */
import type { Catalog } from '../catalog/catalog.ts';
import type { TrackedDisk } from '../catalog/storage/tracked-disk-table.ts';
import { hasData, type LineageStep, stepsFrom, stepsInto } from './lineage.ts';

/** A log that is to be written: what has changed on these steps. */
export interface WantedLog {
  readonly fromId: string;
  readonly toId: string;
  readonly steps: readonly LineageStep[];
}

/** Logs that stand between it and its going, and are not written yet. */
export function wantedLogs(catalog: Catalog, { id, state }: TrackedDisk): readonly WantedLog[] {
  if (state === 'leaving') return wantedPast(catalog, id);
  const live = [...stepsInto(catalog, id), ...stepsFrom(catalog, id)].filter(
    ({ how }) => how === 'live',
  );
  const wanted = live.map((step) => ({ fromId: step.fromId, toId: step.toId, steps: [step] }));
  return wanted.filter((log) => !catalog.changeLogs.has(log));
}

/** Logs that lead past it, and are not written yet. */
export function wantedPast(catalog: Catalog, id: string): readonly WantedLog[] {
  const from = stepsFrom(catalog, id);
  return stepsInto(catalog, id)
    .flatMap((before) => from.flatMap((after) => past(catalog, before, after)))
    .filter((log) => !catalog.changeLogs.has(log));
}

/** Where both sides have their data the storage tells what lies between them. */
function past(catalog: Catalog, before: LineageStep, after: LineageStep): readonly WantedLog[] {
  const { fromId } = before;
  const { toId } = after;
  if (hasData(catalog, fromId) && hasData(catalog, toId)) return [];
  return [{ fromId, toId, steps: [before, after] }];
}

/**
 * Whether it must wait for the next snapshot, which nothing else could tell the changes to: as long as the volume
 * stands on it. It may stand on another one since it was reverted; then none will come.
 */
export function waitsForNext(catalog: Catalog, { id, state }: TrackedDisk): boolean {
  const snapshot = catalog.snapshots.byId(id);
  const volume =
    snapshot?.volumeId === undefined ? undefined : catalog.volumes.byId(snapshot.volumeId);
  if (volume?.headSnapshotId !== id) return false;
  if (state === 'anchor') return true;
  return stepsInto(catalog, id).some(({ fromId }) => !hasData(catalog, fromId));
}

/** Whether something without data is next to it, so that it cannot just go. */
export function isNeeded(catalog: Catalog, id: string): boolean {
  const { changeLogs } = catalog;
  const beside = [...changeLogs.into(id), ...changeLogs.outOf(id)];
  return beside.some((other) => !hasData(catalog, other));
}

/** Within the transaction in which its snapshot is forgotten. */
export function snapshotGone({ trackedDisks, changeLogs }: Catalog, id: string): void {
  const disk = trackedDisks.byId(id);
  if (disk?.state === 'anchor') {
    trackedDisks.save({ ...disk, state: 'log' });
    return;
  }
  trackedDisks.delete(id);
  changeLogs.deleteOf(id);
}
