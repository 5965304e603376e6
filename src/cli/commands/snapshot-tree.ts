import { table, time } from '../format.ts';
import type { Snapshot } from '../storage-answers.ts';

interface Node {
  readonly snapshot: Snapshot;
  readonly prefix: string;
}

/**
 * Each below the one that it came after. What came after one that is not listed begins a tree of its own.
 * @param snapshots a parent before its children
 */
export function treeText(snapshots: readonly Snapshot[]): string {
  const listed = new Set(snapshots.map(({ id }) => id));
  const children = Map.groupBy(snapshots, ({ parent }) =>
    parent !== null && listed.has(parent) ? parent : null,
  );
  const nodes: Node[] = [];
  // Thousands in a row are one deep: no recursion.
  const open: Node[] = nodesOf(children.get(null) ?? [], '', true).reverse();
  for (let node = open.pop(); node !== undefined; node = open.pop()) {
    nodes.push(node);
    const below = children.get(node.snapshot.id) ?? [];
    open.push(...nodesOf(below, inner(node.prefix), false).reverse());
  }
  return table(
    ['snapshot', 'of', 'consistency', 'marks', 'clones', 'created'],
    nodes.map(({ snapshot, prefix }) => [
      `${prefix}${snapshot.name}`,
      // Without its volume it is named by its id.
      snapshot.volume ?? `${snapshot.volumeWas} (deleted), id ${snapshot.id}`,
      snapshot.consistency,
      [snapshot.emulated ? 'emulated' : '', snapshot.held ? 'held' : '']
        .filter(Boolean)
        .join(' ') || '-',
      snapshot.clones.join(', ') || '-',
      time(snapshot.createdAt),
    ]),
  );
}

/** One child goes on below its parent; only where a tree forks is there a branch. */
function nodesOf(snapshots: readonly Snapshot[], indent: string, isTop: boolean): Node[] {
  if (isTop || snapshots.length === 1) {
    return snapshots.map((snapshot) => ({ snapshot, prefix: indent }));
  }
  return snapshots.map((snapshot, index) => ({
    snapshot,
    prefix: `${indent}${index === snapshots.length - 1 ? '└─ ' : '├─ '}`,
  }));
}

function inner(prefix: string): string {
  return prefix.replace('├─ ', '│  ').replace('└─ ', '   ');
}
