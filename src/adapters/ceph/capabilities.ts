import { type CapabilitySet, capabilities } from '../../repositories/index.ts';

/** @param mirrored the pool has peers, and mirrors single images */
export function cephCapabilities(mirrored: boolean): CapabilitySet {
  const yes = mirrored ? 'yes' : 'no';
  return capabilities({
    ...{ discover: 'yes', adopt: 'yes', thin: 'yes', thick: 'yes', immutableId: 'yes' },
    ...{ resizeOnline: 'yes', resizeOffline: 'yes' },
    ...{ snapshot: 'yes', revert: 'yes', revertKeepsNewer: 'yes', changedBlocks: 'yes' },
    ...{ cloneLinked: 'yes', cloneFull: 'yes', cloneFromVolume: 'yes', split: 'yes' },
    ...{ maskIp: 'emulated', multiAttach: 'yes', multiPath: 'yes', sessionInfo: 'yes' },
    ...{ terminateSessions: 'yes', fence: 'yes' },
    ...{ replicate: yes, replicateNow: yes, failoverPlanned: yes, failoverForced: yes },
    ...{ replicateReverse: yes, replicateResync: yes },
  });
}
