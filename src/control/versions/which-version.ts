/**
 * Which version a machine boots. The only place that decides it:
 *
 *     a private version        for everybody (its lock lets one in)
 *     the machine's own pin    whatever its class
 *     a version in maintenance for a maintenance machine (its lock lets one in)
 *     the newest in test       for test and maintenance machines, if it is newer than production's
 *     the vDisk's pin          for everybody else, and where nothing is in test
 *     the newest released      where there is no pin
 *
 * A version in production is released when its date has come; until then it is as good as in test.
 */
import {
  isSealed,
  type MachineRecord,
  type OpenVersion,
  type SealedVersion,
  type VdiskRecord,
  type VersionRecord,
} from '../catalog/records.ts';

export type VersionChoice =
  | { readonly kind: 'sealed'; readonly version: SealedVersion; readonly because: ChoiceReason }
  /** It writes the version itself, if it gets the lock. */
  | { readonly kind: 'open'; readonly version: OpenVersion }
  | { readonly kind: 'none'; readonly reason: string };

export type ChoiceReason = 'machine pin' | 'test' | 'vDisk pin' | 'release';

/** @param versions all of the vDisk's, oldest first */
export function whichVersion(
  machine: Pick<MachineRecord, 'class' | 'pinnedVersion'>,
  vdisk: Pick<VdiskRecord, 'name' | 'pinnedVersion'>,
  versions: readonly VersionRecord[],
  now: number,
): VersionChoice {
  const open = versions.find((version) => version.state === 'maintenance');
  if (open?.isPrivate === true) return { kind: 'open', version: open };
  const { pinnedVersion } = machine;
  if (pinnedVersion !== undefined) {
    return pinned(versions, pinnedVersion, 'machine pin', vdisk.name);
  }
  if (machine.class === 'maintenance' && open !== undefined) return { kind: 'open', version: open };
  if (machine.class !== 'production') {
    const version = versions.findLast((candidate) => isInTest(candidate, now));
    const production = productionVersion(vdisk, versions, now);
    // What was tried and left behind is of no interest once something newer is in production.
    const least = production.kind === 'sealed' ? production.version.number : 0;
    if (version !== undefined && isSealed(version) && version.number > least) {
      return { kind: 'sealed', version, because: 'test' };
    }
  }
  return productionVersion(vdisk, versions, now);
}

/** What a production machine without a pin of its own boots; also what `vdisk/NAME` exports. */
export function productionVersion(
  vdisk: Pick<VdiskRecord, 'name' | 'pinnedVersion'>,
  versions: readonly VersionRecord[],
  now: number,
): Exclude<VersionChoice, { kind: 'open' }> {
  if (vdisk.pinnedVersion !== undefined) {
    return pinned(versions, vdisk.pinnedVersion, 'vDisk pin', vdisk.name);
  }
  const version = versions.findLast((candidate) => isReleased(candidate, now));
  if (version !== undefined && isSealed(version)) {
    return { kind: 'sealed', version, because: 'release' };
  }
  return { kind: 'none', reason: `no version of vDisk ${vdisk.name} is in production` };
}

/** Production machines may boot it now. */
export function isReleased(version: VersionRecord, now: number): boolean {
  return version.state === 'production' && (version.releaseAt ?? 0) <= now;
}

/** In test, or in production at a later date. */
function isInTest(version: VersionRecord, now: number): boolean {
  if (version.state === 'production') return !isReleased(version, now);
  return version.state === 'test';
}

function pinned(
  versions: readonly VersionRecord[],
  number: number,
  because: 'machine pin' | 'vDisk pin',
  vdiskName: string,
): Exclude<VersionChoice, { kind: 'open' }> {
  const version = versions.find((candidate) => candidate.number === number);
  if (version !== undefined && isSealed(version) && version.state !== 'deleting') {
    return { kind: 'sealed', version, because };
  }
  return {
    kind: 'none',
    reason: `version ${number} of vDisk ${vdiskName}, to which it is pinned, cannot be booted`,
  };
}
