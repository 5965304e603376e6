/**
 * Which disks came before which, and how what has changed between two of them can be told: by asking the storage,
 * as long as both are there, or by a log that was written before the data of one went.
 *
 *     S1 ← S2 ← S3 ← volume        ←: is the parent of, as the catalog has it; the storage tells the difference
 *      └─log─ X ─log─┘             X: its data is gone; logs lead to it and from it
 */
import type { Catalog } from '../catalog/catalog.ts';
import type { ChangeStep } from '../catalog/storage/change-log-table.ts';

export interface LineageStep extends ChangeStep {
  /** log: it is kept; live: the storage tells. */
  readonly how: 'log' | 'live';
}

/** Its snapshot, if its data is still there. */
export function hasData({ snapshots }: Catalog, id: string): boolean {
  return snapshots.byId(id) !== undefined;
}

/** The snapshot of the same volume that a snapshot or a volume came after; undefined: there is none. */
export function parentOf({ snapshots, volumes }: Catalog, id: string): string | undefined {
  const volume = volumes.byId(id);
  const snapshot = snapshots.byId(id);
  const parentId = volume?.headSnapshotId ?? snapshot?.parentId;
  const parent = parentId === undefined ? undefined : snapshots.byId(parentId);
  if (parent === undefined) return undefined;
  // What a clone stands on is of another volume.
  return parent.volumeId === (volume?.id ?? snapshot?.volumeId) ? parent.id : undefined;
}

/** Snapshots of the same volume that came after it. */
export function childrenOf({ snapshots }: Catalog, id: string): readonly string[] {
  const volumeId = snapshots.byId(id)?.volumeId;
  return snapshots
    .childrenOf(id)
    .flatMap((child) => (child.volumeId === volumeId ? [child.id] : []));
}

/** From where something leads to it. */
export function stepsInto(catalog: Catalog, toId: string): readonly LineageStep[] {
  const parentId = parentOf(catalog, toId);
  const live = parentId === undefined ? [] : [{ fromId: parentId, toId, how: 'live' as const }];
  const logs = catalog.changeLogs.into(toId);
  return [...live, ...logs.map((fromId) => ({ fromId, toId, how: 'log' as const }))];
}

/** To where something leads from it; what is written to now is not among them. */
export function stepsFrom(catalog: Catalog, fromId: string): readonly LineageStep[] {
  const live = childrenOf(catalog, fromId).map((toId) => ({ fromId, toId, how: 'live' as const }));
  const logs = catalog.changeLogs.outOf(fromId);
  return [...live, ...logs.map((toId) => ({ fromId, toId, how: 'log' as const }))];
}

/**
 * The steps from one disk to a later one, in order; those that the storage tells one after the other are one.
 * @returns undefined: the one does not come after the other
 */
export function wayBetween(
  catalog: Catalog,
  fromId: string,
  toId: string,
): readonly LineageStep[] | undefined {
  const next = new Map<string, LineageStep | undefined>([[toId, undefined]]);
  for (const at of next.keys()) {
    if (at === fromId) return joined(next, fromId);
    for (const step of stepsInto(catalog, at)) {
      if (!next.has(step.fromId)) next.set(step.fromId, step);
    }
  }
  return undefined;
}

function joined(
  next: ReadonlyMap<string, LineageStep | undefined>,
  fromId: string,
): readonly LineageStep[] {
  const steps: LineageStep[] = [];
  for (let step = next.get(fromId); step !== undefined; step = next.get(step.toId)) {
    const last = steps.at(-1);
    if (last?.how === 'live' && step.how === 'live') {
      steps[steps.length - 1] = { ...last, toId: step.toId };
    } else steps.push(step);
  }
  return steps;
}
