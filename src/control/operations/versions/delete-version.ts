/** Versions go: at once when nothing reads them, and otherwise when the last reader has left. */
import { isSealed, type Removal, type VersionRecord } from '../../catalog/records.ts';
import type { Control, RecordEvent } from '../../control.ts';
import { removeFromDisk } from '../../recover.ts';
import { collectLayers } from '../../versions/collect-layers.ts';
import { writeLock } from '../../versions/lease-lock.ts';
import { requireAction, VersionSituations, versionSubject } from '../../versions/situation.ts';
import { findVersion } from './find-version.ts';

export type VersionDeletion = { readonly state: 'deleted' | 'deleting' };

/**
 * A version in maintenance is discarded with all that was written into it.
 * @throws Fault NOT_FOUND, IN_USE (it is booted, pinned to, written, or a persistent cache stands on it)
 */
export async function deleteVersion(
  control: Control,
  vdiskName: string,
  number: number,
): Promise<VersionDeletion> {
  const { removal, state } = control.change((record) => {
    const { vdisk, version } = findVersion(control.catalog, vdiskName, number);
    const situations = new VersionSituations(control, vdisk);
    requireAction(situations, version, isSealed(version) ? 'delete' : 'discard');
    if (!isSealed(version)) return discard(control, record, vdiskName, version);
    if (situations.isRead(version)) {
      control.catalog.versions.update({ ...version, state: 'deleting', releaseAt: undefined });
      record({
        kind: 'version.deleting',
        subject: versionSubject(vdiskName, number),
        message: `version ${number} of ${vdiskName} goes when its last reader has left`,
      });
      return { removal: undefined, state: 'deleting' as const };
    }
    forget(control, record, vdiskName, version);
    return { removal: undefined, state: 'deleted' as const };
  });
  if (removal !== undefined) await removeFromDisk(control, removal);
  if (state === 'deleted') await collectLayers(control);
  return { state };
}

/** Inside a change: versions whose last reader has left. @returns whether there were any */
export function forgetUnread(control: Control, record: RecordEvent): boolean {
  let found = false;
  for (const [vdiskId, versions] of control.catalog.versions.allByVdisk()) {
    if (!versions.some(({ state }) => state === 'deleting')) continue;
    const vdisk = control.catalog.vdisks.byId(vdiskId);
    if (vdisk === undefined) continue;
    const situations = new VersionSituations(control, vdisk);
    for (const version of versions) {
      if (version.state !== 'deleting' || situations.isRead(version)) continue;
      forget(control, record, vdisk.name, version);
      found = true;
    }
  }
  return found;
}

function discard(
  control: Control,
  record: RecordEvent,
  vdiskName: string,
  version: VersionRecord,
): { readonly removal: Removal; readonly state: 'deleted' } {
  const removal: Removal = { kind: 'machine', id: version.id };
  control.catalog.removals.insert(removal);
  control.catalog.locks.delete(writeLock(version.id));
  forget(control, record, vdiskName, version);
  return { removal, state: 'deleted' };
}

function forget(
  control: Control,
  record: RecordEvent,
  vdiskName: string,
  version: VersionRecord,
): void {
  control.catalog.versions.delete(version);
  record({
    kind: isSealed(version) ? 'version.deleted' : 'version.discarded',
    subject: versionSubject(vdiskName, version.number),
    message: `version ${version.number} of ${vdiskName} is ${isSealed(version) ? 'deleted' : 'discarded'}`,
  });
}
