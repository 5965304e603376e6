import { Fault } from '../../../errors/index.ts';
import { isSealed, type SealedVersion } from '../../catalog/records.ts';
import type { Control } from '../../control.ts';
import type { VdiskView } from '../../schemas/vdisk.ts';
import type { RevertVdiskInput } from '../../schemas/version.ts';
import { requireAction, VersionSituations } from '../../versions/situation.ts';
import { isReleased, productionVersion } from '../../versions/which-version.ts';
import { findVdisk } from '../find.ts';
import { vdiskView } from '../vdisk-view.ts';
import { findVersion } from './find-version.ts';

/**
 * Takes a release back: production machines boot the earlier version at their next boot. Everything newer
 * in production, also what is scheduled, goes to test; a pin of the vDisk goes. Machines that run
 * keep what they have.
 * @throws Fault NOT_FOUND, IN_USE (there is nothing to revert to)
 */
export function revertVdisk(
  control: Control,
  name: string,
  input: RevertVdiskInput = {},
): VdiskView {
  return control.change((record) => {
    const { catalog } = control;
    const vdisk = findVdisk(catalog, name);
    const situations = new VersionSituations(control, vdisk);
    const target = targetOf(control, situations, input.to);
    requireAction(situations, target, 'revertTo');
    const back: number[] = [];
    for (const version of situations.versions) {
      if (!isSealed(version) || version.state !== 'production') continue;
      if (version.number <= target.number) continue;
      catalog.versions.update({ ...version, state: 'test', releaseAt: undefined });
      back.push(version.number);
    }
    catalog.versions.update({ ...target, state: 'production', releaseAt: undefined });
    const reverted = { ...vdisk, pinnedVersion: undefined };
    catalog.vdisks.update(reverted);
    const taken = back.length === 0 ? '' : `; back in test: ${back.join(', ')}`;
    record({
      kind: 'vdisk.reverted',
      subject: `vdisk/${name}`,
      message: `vDisk ${name} is reverted to version ${target.number}${taken}`,
      data: { to: target.number, demoted: back },
    });
    return vdiskView(control, reverted);
  });
}

/** The one that is named, or what was in production before what is now. */
function targetOf(
  control: Control,
  { vdisk, versions }: VersionSituations,
  to: number | undefined,
): SealedVersion {
  if (to !== undefined) {
    const { version } = findVersion(control.catalog, vdisk.name, to, 'to');
    if (isSealed(version)) return version;
    throw nothingBefore(vdisk.name, to, `version ${to} is in maintenance`);
  }
  const now = control.clock.now();
  const current = productionVersion(vdisk, versions, now);
  if (current.kind === 'none') throw nothingBefore(vdisk.name, null, current.reason);
  const { number } = current.version;
  const before = versions.findLast((one) => one.number < number && isReleased(one, now));
  if (before !== undefined && isSealed(before)) return before;
  throw nothingBefore(vdisk.name, null, `no version before ${number} is in production`);
}

function nothingBefore(name: string, value: number | null, why: string): Fault {
  return new Fault('IN_USE', `vDisk ${name} cannot be reverted: ${why}`, {
    field: 'to',
    value,
    expected: 'the number of a sealed version (rootcast vdisk show)',
  });
}
