/** Versions go: at once when nothing reads them, and otherwise when the last reader has left. */
import { isSealed, type Removal, type VersionRecord } from '../../catalog/records.ts';
import type { Control, RecordEvent } from '../../control.ts';
import { removeFromDisk } from '../../removals.ts';
import { collectLayers } from '../../versions/collect-layers.ts';
import { writeLock } from '../../versions/lease-lock.ts';
import {
  isSealedRead,
  requireAction,
  VersionSituations,
  versionSubject,
} from '../../versions/situation.ts';
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

/**
 * Versions whose last reader has left. Asked once a second, for months when it is a machine's that is off: it
 * reads those that are being deleted and not the whole fleet.
 * @returns whether there were any
 */
export function forgetUnread(control: Control): boolean {
  const { catalog } = control;
  const deleting = catalog.versions.deleting();
  if (deleting.length === 0) return false;
  const inUse = control.dataPlane.layersInUse();
  const unread = deleting.filter((version) => !isSealedRead(control, inUse, version));
  if (unread.length === 0) return false;
  control.change((record) => {
    for (const version of unread) {
      const vdiskName = catalog.vdisks.byId(version.vdiskId)?.name ?? version.vdiskId;
      forget(control, record, vdiskName, version);
    }
  });
  return true;
}

function discard(
  control: Control,
  record: RecordEvent,
  vdiskName: string,
  version: VersionRecord,
): { readonly removal: Removal; readonly state: 'deleted' } {
  const removal: Removal = { kind: 'machine', id: version.id };
  control.catalog.removals.insert(removal);
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
  control.catalog.locks.delete(writeLock(version.id));
  record({
    kind: isSealed(version) ? 'version.deleted' : 'version.discarded',
    subject: versionSubject(vdiskName, version.number),
    message: `version ${version.number} of ${vdiskName} is ${isSealed(version) ? 'deleted' : 'discarded'}`,
  });
}
