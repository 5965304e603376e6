import { Fault } from '../../../errors/index.ts';
import { isSealed, type OpenVersion, type SealedVersion } from '../../catalog/records.ts';
import type { Control } from '../../control.ts';
import { MAX_VERSIONS_PER_VDISK } from '../../limits.ts';
import type { BeginVersionInput, VersionView } from '../../schemas/version.ts';
import { requireAction, VersionSituations, versionSubject } from '../../versions/situation.ts';
import { findVdisk } from '../find.ts';
import { findVersion } from './find-version.ts';
import { versionView } from './version-view.ts';

/**
 * A new version in maintenance: the first maintenance machine that boots gets to write it. Private: no
 * other machine of the vDisk boots meanwhile, and it ends in production.
 * @throws Fault NOT_FOUND, IN_USE (another one is in maintenance, machines run), LIMIT_EXCEEDED
 */
export function beginVersion(
  control: Control,
  vdiskName: string,
  input: BeginVersionInput,
): VersionView {
  return control.change((record) => {
    const { catalog } = control;
    const vdisk = findVdisk(catalog, vdiskName);
    const situations = new VersionSituations(control, vdisk);
    const parent = parentOf(control, situations, input.from);
    requireAction(situations, parent, 'derive');
    if (situations.versions.length >= MAX_VERSIONS_PER_VDISK) {
      throw new Fault('LIMIT_EXCEEDED', `vDisk ${vdiskName} has too many versions; delete some`, {
        field: 'vdisk.versions',
        value: situations.versions.length,
        expected: `at most ${MAX_VERSIONS_PER_VDISK}`,
      });
    }
    const isPrivate = input.private ?? false;
    if (isPrivate) refuseWhileMachinesRun(control, vdisk.id, vdiskName);
    const version: OpenVersion = {
      id: control.newId(),
      vdiskId: vdisk.id,
      number: catalog.vdisks.nextVersion(vdisk.id),
      state: 'maintenance',
      isPrivate,
      parentNumber: parent.number,
      description: input.description ?? '',
      format: isPrivate ? 'private' : 'maintenance',
      baseLayerId: parent.layerId,
      size: parent.size,
      bootFiles: parent.bootFiles,
      kernelArguments: parent.kernelArguments,
      createdAt: control.clock.now(),
    };
    catalog.versions.insert(version);
    const what = isPrivate ? 'in private mode' : 'in maintenance';
    record({
      kind: 'version.begun',
      subject: versionSubject(vdiskName, version.number),
      message: `version ${version.number} of ${vdiskName} is ${what}, made from version ${parent.number}`,
      data: { from: parent.number, private: isPrivate },
    });
    return versionView(new VersionSituations(control, vdisk), version, control);
  });
}

/** The one that is named, or the newest. */
function parentOf(
  control: Control,
  situations: VersionSituations,
  number: number | undefined,
): SealedVersion {
  const { vdisk, versions } = situations;
  const version =
    number === undefined
      ? versions.findLast((one) => isSealed(one) && one.state !== 'deleting')
      : findVersion(control.catalog, vdisk.name, number, 'from').version;
  if (version !== undefined && isSealed(version)) return version;
  throw new Fault('IN_USE', `vDisk ${vdisk.name} has no sealed version to begin from`, {
    field: 'from',
    value: number ?? null,
    expected: 'the number of a sealed version',
  });
}

function refuseWhileMachinesRun(control: Control, vdiskId: string, vdiskName: string): void {
  const connections = control.dataPlane.vdiskConnections(vdiskId);
  if (connections === 0) return;
  throw new Fault('IN_USE', `machines run from vDisk ${vdiskName}: private mode is for one alone`, {
    field: 'vdisk.connections',
    value: connections,
    expected: 'no open connection',
  });
}
