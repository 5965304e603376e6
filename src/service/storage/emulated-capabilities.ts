import { type CapabilityFlag, type CapabilitySet, capabilities } from '../../repositories/index.ts';

/** What layers do for any array that can hold volumes. */
const BY_LAYERS: readonly CapabilityFlag[] = [
  'snapshot',
  'groupSnapshot',
  'cloneLinked',
  'cloneFull',
  'cloneFromVolume',
  'split',
  'promoteDependents',
  'revert',
  'revertKeepsNewer',
  'changedBlocks',
];

/** What we do above an array that takes snapshots itself: hold several volumes, and copy. */
const ABOVE_SNAPSHOTS: readonly CapabilityFlag[] = ['groupSnapshot', 'cloneFull'];

/** What we do between any two repositories: snapshots of one, copied into the other. */
const BETWEEN_REPOSITORIES: readonly CapabilityFlag[] = [
  'replicate',
  'replicateGroup',
  'replicateNow',
  'failoverPlanned',
  'failoverForced',
  'failoverTest',
  'replicateReverse',
  'replicateResync',
];

/** What the users of a repository get. Layers and the array's own snapshots are not mixed in one tree. */
export function emulatedCapabilities(known: CapabilitySet): CapabilitySet {
  const above = known.snapshot === 'no' ? BY_LAYERS : ABOVE_SNAPSHOTS;
  const given = [...above, ...BETWEEN_REPOSITORIES];
  const emulated = given.filter((flag) => known[flag] === 'no').map((flag) => [flag, 'emulated']);
  return capabilities({ ...known, ...Object.fromEntries(emulated) });
}
