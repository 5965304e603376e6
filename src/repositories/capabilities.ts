/**
 * What an array can do. Asked once when a repository is attached, and frozen.
 *
 * `emulated`: the array cannot, and Rootcast does it above the array (layers for snapshots and clones, copies
 * for replication). An adapter says `no` or `yes`, or `emulated` for what it does itself by other means; what
 * becomes of a `no` is decided above it (service/storage/emulated-capabilities.ts).
 */
export const CAPABILITY_FLAGS = [
  'discover',
  'adopt',
  'thin',
  'thick',
  'resizeOnline',
  'resizeOffline',
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
  'maskIqn',
  'maskIp',
  'chap',
  'mutualChap',
  'chapEnforced',
  'multiAttach',
  'multiPath',
  'sessionInfo',
  'terminateSessions',
  'fence',
  'replicate',
  'replicateGroup',
  'replicateNow',
  'failoverPlanned',
  'failoverForced',
  'failoverTest',
  'replicateReverse',
  'replicateResync',
  'immutableId',
] as const;

export type CapabilityFlag = (typeof CAPABILITY_FLAGS)[number];
export type CapabilityValue = 'no' | 'yes' | 'emulated';
export type CapabilitySet = Readonly<Record<CapabilityFlag, CapabilityValue>>;

/** All flags: those named as they are named, the rest `no`. */
export function capabilities(
  given: Partial<Record<CapabilityFlag, CapabilityValue>>,
): CapabilitySet {
  const all = Object.fromEntries(CAPABILITY_FLAGS.map((flag) => [flag, given[flag] ?? 'no']));
  return Object.freeze(all as Record<CapabilityFlag, CapabilityValue>);
}
