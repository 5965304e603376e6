/** Chains that have grown too deep are merged by themselves; machines go on meanwhile. */
import { Fault } from '../../../errors/index.ts';
import type { Control } from '../../control.ts';
import { VersionSituations } from '../../versions/situation.ts';
import { refusalOf } from '../../versions/version-actions.ts';
import { findVersion } from './find-version.ts';
import { isWorthIt, startMerge } from './merge-version.ts';

/**
 * Call it at the end of the task that has sealed a version. Nothing happens where it need not be merged, or
 * cannot be now: it is sealed in any case, and the next one tries again.
 */
export function consolidate(control: Control, vdiskName: string, number: number): void {
  const most = control.consolidateBeyond;
  if (most === 0) return;
  try {
    const { vdisk, version } = findVersion(control.catalog, vdiskName, number);
    const situations = new VersionSituations(control, vdisk);
    const depth = situations.depth(version);
    if (depth <= most || !isWorthIt('partial', depth)) return;
    // The task that calls this is what it is busy with.
    if (refusalOf('merge', { ...situations.of(version), busy: undefined }) !== undefined) return;
    startMerge(control, vdiskName, version, 'partial');
  } catch (error) {
    // Too many tasks run, the service stops, or the version is gone already.
    if (!(error instanceof Fault)) throw error;
  }
}
