/** Which versions of a vDisk a bundle has, and which stands on which. */
import { Fault } from '../../../errors/index.ts';
import { isSealed, type SealedVersion, type VersionRecord } from '../../catalog/records.ts';
import type { Control } from '../../control.ts';
import type { OutgoingBundle } from '../../transfer-port.ts';
import { requireAction, VersionSituations } from '../../versions/situation.ts';
import { findVdisk } from '../find.ts';
import { iso } from '../time-view.ts';
import { findVersion } from '../versions/find-version.ts';

export interface BundleSelection {
  /** Numbers; undefined: all that are sealed and not being deleted. */
  readonly versions: readonly number[] | undefined;
  /** Content ids that the receiver has. */
  readonly has: readonly string[];
  readonly chunks: 'lacking' | 'none';
}

/** @throws Fault NOT_FOUND, IN_USE (a version in maintenance, or that is being deleted) */
export function outgoingBundle(
  control: Control,
  vdiskName: string,
  { versions: numbers, has, chunks }: BundleSelection,
): OutgoingBundle {
  const vdisk = findVdisk(control.catalog, vdiskName);
  const situations = new VersionSituations(control, vdisk);
  const chosen =
    numbers === undefined
      ? situations.versions.filter(isToBeSent)
      : [...new Set(numbers)]
          .toSorted((a, b) => a - b)
          .map((number) => sendable(control, situations, number));
  if (chosen.length === 0) {
    throw new Fault('IN_USE', `vDisk ${vdiskName} has no sealed version to send`, {
      field: 'versions',
      value: numbers ?? null,
      expected: 'the number of a sealed version (rootcast vdisk show)',
    });
  }
  return {
    name: vdisk.name,
    description: vdisk.description,
    has: new Set(has),
    chunks,
    versions: chosen.map((version) => ({
      number: version.number,
      state: version.state,
      contentId: version.contentId,
      size: version.size,
      parentNumber: parentAmong(control, chosen, situations.versions, version),
      format: version.format,
      kernelArguments: version.kernelArguments,
      description: version.description,
      createdAt: iso(version.createdAt),
      layerId: version.layerId,
      bootFiles: version.bootFiles,
    })),
  };
}

function isToBeSent(version: VersionRecord): version is SealedVersion {
  return isSealed(version) && version.state !== 'deleting';
}

function sendable(control: Control, situations: VersionSituations, number: number): SealedVersion {
  const { vdisk } = situations;
  const { version } = findVersion(control.catalog, vdisk.name, number, 'versions');
  requireAction(situations, version, 'export');
  if (isToBeSent(version)) return version;
  throw new Fault('IN_USE', `version ${number} of vDisk ${vdisk.name}: it is being deleted`, {
    field: 'versions',
    value: number,
    expected: 'the number of a version in test or in production',
  });
}

/**
 * The nearest chosen version that it was made from; where that cannot be told any more, since one between them
 * is gone, the nearest one that it stands on.
 */
function parentAmong(
  control: Control,
  chosen: readonly SealedVersion[],
  all: readonly VersionRecord[],
  version: SealedVersion,
): number | undefined {
  const byNumber = new Map(all.map((one) => [one.number, one]));
  for (
    let number = version.parentNumber;
    number !== undefined;
    number = byNumber.get(number)?.parentNumber
  ) {
    if (chosen.some((one) => one.number === number)) return number;
  }
  for (const { id } of control.catalog.layers.chain(version.layerId).toReversed()) {
    const below = chosen.findLast(
      (one) => one.layerId === id && one.number < version.number && one.size <= version.size,
    );
    if (below !== undefined) return below.number;
  }
  return undefined;
}
