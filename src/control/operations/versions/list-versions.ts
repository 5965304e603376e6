import type { Control } from '../../control.ts';
import type { VersionView } from '../../schemas/version.ts';
import { VersionSituations } from '../../versions/situation.ts';
import { findVdisk } from '../find.ts';
import { findVersion } from './find-version.ts';
import { versionView } from './version-view.ts';

/** Oldest first. @throws Fault NOT_FOUND */
export function listVersions(control: Control, vdiskName: string): readonly VersionView[] {
  const situations = new VersionSituations(control, findVdisk(control.catalog, vdiskName));
  return situations.versions.map((version) => versionView(situations, version, control));
}

/** @throws Fault NOT_FOUND */
export function showVersion(control: Control, vdiskName: string, number: number): VersionView {
  const { vdisk, version } = findVersion(control.catalog, vdiskName, number);
  return versionView(new VersionSituations(control, vdisk), version, control);
}
