/** Chains that have grown too deep are merged by themselves; machines go on meanwhile. */
import { isSealed } from '../../catalog/records.ts';
import type { Control } from '../../control.ts';
import { VersionSituations } from '../../versions/situation.ts';
import { refusalOf } from '../../versions/version-actions.ts';
import { findVersion } from './find-version.ts';
import { startMerge } from './merge-version.ts';

/** Call it when a version was sealed. Nothing happens where it need not be merged, or must not be now. */
export function consolidate(control: Control, vdiskName: string, number: number): void {
  const most = control.consolidateBeyond;
  if (most === 0) return;
  const { vdisk, version } = findVersion(control.catalog, vdiskName, number);
  const situations = new VersionSituations(control, vdisk);
  if (situations.depth(version) <= most) return;
  // The task that seals it is about to end.
  if (refusalOf('merge', { ...situations.of(version), busy: undefined }) !== undefined) return;
  if (isSealed(version)) startMerge(control, { vdiskName, version, mode: 'partial' });
}
