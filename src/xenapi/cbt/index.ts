/**
 * Changed block tracking, as VDI messages have it. What has changed is known below (control/changes); here it gets the
 * form and the errors of XenAPI. A disk is named by its id in the control plane: of a volume, of a snapshot, or of a
 * snapshot whose data is gone.
 *
 *     VDI.enable_cbt           trackChanges(control, volumeId)              what may not be tracked is refused before
 *     VDI.disable_cbt          untrackChanges(control, volumeId)
 *     VDI.data_destroy         discardData(control, snapshotId, call)
 *     VDI.list_changed_blocks  listChangedBlocks(control, { from, to }, call)
 *     VDI.destroy              of a cbt_metadata VDI: forgetChanges(control, id, call); of others as without CBT
 *     VDI.cbt_enabled          trackedDisk(control, id) !== undefined
 *     VDI.type cbt_metadata    isMetadata(control, id)
 *
 * Snapshots of a tracked volume are tracked, whoever takes them. disksWithoutData(control, repositoryId) are the
 * VDIs that have no volume and perhaps no snapshot in the catalog; a snapshot that isLeaving is no VDI.
 */
import {
  type Call,
  type Changes,
  type Control,
  changesBetween,
  trackedDisk,
} from '../../control/index.ts';
import { backendFailure, type XenError } from '../xen-error.ts';
import { encodeBitmap } from './bitmap.ts';

/** sm's CBTMetadataInconsistent and CBTChangedBlocksError. */
const INCONSISTENT = 459;
const CANNOT_COMPARE = 460;

/**
 * Base64 of one bit for each 64 KiB of `to`.
 * @param disks ids in the control plane
 * @throws XenError SR_BACKEND_FAILURE_460: the same disk, not tracked, or the one does not come after the other;
 *   SR_BACKEND_FAILURE_459: the later one is smaller; Fault NOT_FOUND, UNREACHABLE, UNAVAILABLE, NO_SPACE, CANCELLED
 */
export async function listChangedBlocks(
  control: Control,
  { from, to }: { readonly from: string; readonly to: string },
  call: Call,
): Promise<string> {
  if (from === to) throw cannotCompare('source and target VDI are the same');
  for (const id of [from, to]) {
    if (trackedDisk(control, id) === undefined) {
      throw cannotCompare('changed block tracking is disabled for one of the VDIs');
    }
  }
  const changes: Changes = await changesBetween(control, { fromId: from, toId: to }, call);
  switch (changes.kind) {
    case 'changed':
      return encodeBitmap(changes.blocks);
    case 'unrelated':
      throw cannotCompare('the target VDI does not come after the source VDI');
    case 'shrunk':
      throw backendFailure(
        INCONSISTENT,
        'CBT metadata for given VDIs is inconsistent. [the target VDI is smaller]',
      );
  }
}

/** Whether it is a snapshot whose data is gone, or is to go: a VDI of type cbt_metadata. */
export function isMetadata(control: Control, id: string): boolean {
  const state = trackedDisk(control, id)?.state;
  return state === 'anchor' || state === 'log';
}

function cannotCompare(why: string): XenError {
  const message = `Failed to calculate changed blocks for given VDIs. [${why}]`;
  return backendFailure(CANNOT_COMPARE, message);
}
