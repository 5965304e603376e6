/** Versions move between test and production: a change of the catalog each, that copies nothing. */
import { Fault } from '../../../errors/index.ts';
import { isSealed, type SealedVersion, type VdiskRecord } from '../../catalog/records.ts';
import type { Control } from '../../control.ts';
import type { PromoteVersionInput, VersionView } from '../../schemas/version.ts';
import { requireAction, VersionSituations, versionSubject } from '../../versions/situation.ts';
import type { VersionAction } from '../../versions/version-actions.ts';
import { iso } from '../time-view.ts';
import { findVersion } from './find-version.ts';
import { versionView } from './version-view.ts';

/**
 * To production: now, or from a date on. A date replaces the one before.
 * @throws Fault NOT_FOUND, IN_USE, INVALID_INPUT
 */
export function promoteVersion(
  control: Control,
  vdiskName: string,
  number: number,
  input: PromoteVersionInput = {},
): VersionView {
  const releaseAt =
    input.releaseAt === undefined ? undefined : parseDate(input.releaseAt, control.clock.now());
  const later = releaseAt !== undefined;
  return change(control, vdiskName, number, later ? 'schedule' : 'promote', (version, record) => {
    record({
      kind: later ? 'version.scheduled' : 'version.promoted',
      subject: versionSubject(vdiskName, number),
      message: later
        ? `version ${number} of ${vdiskName} is released at ${iso(releaseAt)}`
        : `version ${number} of ${vdiskName} is in production`,
      data: { from: version.state, releaseAt: later ? iso(releaseAt) : null },
    });
    return { ...version, state: 'production', releaseAt: later ? releaseAt : undefined };
  });
}

/** From production back to test. @throws Fault NOT_FOUND, IN_USE */
export function demoteVersion(control: Control, vdiskName: string, number: number): VersionView {
  return change(control, vdiskName, number, 'demote', (version, record) => {
    record({
      kind: 'version.demoted',
      subject: versionSubject(vdiskName, number),
      message: `version ${number} of ${vdiskName} is in test again`,
    });
    return { ...version, state: 'test', releaseAt: undefined };
  });
}

function change(
  control: Control,
  vdiskName: string,
  number: number,
  action: VersionAction,
  work: (
    version: SealedVersion,
    record: Parameters<Parameters<Control['change']>[0]>[0],
  ) => SealedVersion,
): VersionView {
  return control.change((record) => {
    const { vdisk, version } = findVersion(control.catalog, vdiskName, number);
    requireAction(new VersionSituations(control, vdisk), version, action);
    if (!isSealed(version)) throw new Fault('INTERNAL', `${action} let an open version through`);
    const changed = work(version, record);
    control.catalog.versions.update(changed);
    return viewOf(control, vdisk, changed);
  });
}

function viewOf(control: Control, vdisk: VdiskRecord, version: SealedVersion): VersionView {
  return versionView(new VersionSituations(control, vdisk), version, control);
}

/** A slip in the year must not release to everybody at once. @throws Fault INVALID_INPUT */
function parseDate(text: string, now: number): number {
  const at = Date.parse(text);
  // 30 February would be 2 March.
  const isDay = Number.isFinite(at) && new Date(at).toISOString().startsWith(text.slice(0, 10));
  if (isDay && at > now) return at;
  const what = isDay ? 'is over already' : 'is not a time';
  throw new Fault('INVALID_INPUT', `releaseAt ${what}: ${text}`, {
    field: 'releaseAt',
    value: text,
    expected: 'a time to come as 2027-01-31T06:00:00Z, or none to release now',
  });
}
