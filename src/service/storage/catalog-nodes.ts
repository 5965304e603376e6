import type { Catalog } from '../../control/index.ts';
import type { NodeStore } from '../../volumes/index.ts';

/** The catalog as the trees of volumes see it. */
export function catalogNodes(catalog: Catalog): NodeStore {
  const { volumeNodes: nodes, arrayLeftovers } = catalog;
  return {
    byId: (id) => nodes.byId(id),
    ofVolume: (volumeId) => nodes.ofVolume(volumeId),
    ofSnapshot: (snapshotId) => nodes.ofSnapshot(snapshotId),
    childrenOf: (id) => nodes.childrenOf(id),
    chain: (id) => nodes.chain(id),
    hiddenLeaves: () => nodes.hiddenLeaves(),
    hiddenBelowOne: () => nodes.hiddenBelowOne(),
    save: (node) => nodes.save(node),
    delete: (id) => nodes.delete(id),
    leftovers: (repositoryId) => arrayLeftovers.ofRepository(repositoryId),
    addLeftover: (tag, repositoryId) => arrayLeftovers.add(tag, repositoryId),
    removeLeftover: (tag) => arrayLeftovers.remove(tag),
    transaction: (work) => catalog.transaction(work),
  };
}
