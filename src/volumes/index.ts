/**
 * Volumes whose snapshots and clones layers make, on any array. Read first: nodes.ts, volume-trees.ts.
 * Imports base, errors, block, repositories and vdisk only.
 */
export {
  ArrayVolumes,
  type NewVolume,
  nodeVolume,
  type RepositoryPorts,
  tagOfLeftover,
} from './array-volumes.ts';
export { type CopyProgress, copyDevice } from './copy-device.ts';
export { type DiffRange, NodeDiff } from './diff-nodes.ts';
export { NodeChains } from './node-chains.ts';
export type { NodeStore, NodeVolume, VolumeNode } from './nodes.ts';
export { type PortsOf, withVolume } from './open-nodes.ts';
export {
  type Barrier,
  OpenVolumes,
  snapshotKey,
  type VolumeContent,
  volumeKey,
} from './open-volumes.ts';
export { refuseShrink, roundedSize } from './overlay-volumes.ts';
export type { TreeParts } from './tree-parts.ts';
export type { LayeredVolume } from './volume-heads.ts';
export { VolumeTrees } from './volume-trees.ts';
export { volumesOf } from './volumes-of.ts';
