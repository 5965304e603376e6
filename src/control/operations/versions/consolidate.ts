/** Chains that have grown too deep are merged by themselves; machines go on meanwhile. */
import type { SealedVersion } from '../../catalog/records.ts';
import type { Control } from '../../control.ts';
import { VersionSituations } from '../../versions/situation.ts';
import { refusalOf } from '../../versions/version-actions.ts';
import { findVdisk } from '../find.ts';
import { mergeVersion } from './merge-version.ts';

/** Call it when a version was sealed. Nothing happens while it must not be merged, or need not. */
export function consolidate(control: Control, vdiskName: string, version: SealedVersion): void {
  const most = control.consolidateBeyond;
  const situations = new VersionSituations(control, findVdisk(control.catalog, vdiskName));
  if (most === 0 || situations.depth(version) <= most) return;
  if (refusalOf('merge', situations.of(version)) !== undefined) return;
  mergeVersion(control, vdiskName, version.number, { mode: 'partial' });
}
