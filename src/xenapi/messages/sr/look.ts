/** SR.scan and SR.update: what its storage says now. */
import { refreshRepository } from '../../../control/index.ts';
import type { Call, Handlers } from '../../call.ts';
import type { Ref } from '../../datamodel/description.ts';
import type { SR } from '../../datamodel/sr.ts';
import { storageFailure } from '../../device-config/storage-failure.ts';
import { showForgotten } from '../../disks/forgotten.ts';
import { isAttached } from '../../projections/repository-records.ts';
import type { Xen } from '../../xen.ts';
import { backendFailure, xenError } from '../../xen-error.ts';
import { doubtMessage, takeUp } from './make-repository.ts';
import { isOfRepository } from './sr-operations.ts';
import { duringSr, nameNow, type StoredSr, storedSr } from './stored-sr.ts';

/** 40 SRScan. */
const SCAN_FAILED = 40;

/**
 * Sizes, and volumes that have no record: those that were forgotten, and those of others (make-repository.ts). What is gone from the storage behind our back keeps its
 * record: a disk that is away for a while is not one that was deleted.
 */
export const scanSr =
  (xen: Xen): Handlers<typeof SR>['scan'] =>
  (call, { sr }) =>
    looking(xen, call, sr, 'scan', async (stored) => {
      await refreshRepository(xen.control, nameNow(xen, stored));
      showForgotten(xen, stored.id);
      const taken = await takeUp(xen, call, stored.id);
      if (taken.doubtful > 0) throw backendFailure(SCAN_FAILED, doubtMessage(taken));
    });

export const updateSr =
  (xen: Xen): Handlers<typeof SR>['update'] =>
  (call, { sr }) =>
    looking(xen, call, sr, 'update', async (stored) => {
      await refreshRepository(xen.control, nameNow(xen, stored));
    });

/** Of an SR that is none of a repository nothing can be asked. @throws XenError SR_HAS_NO_PBDS: it is not attached */
async function looking(
  xen: Xen,
  call: Call,
  sr: Ref,
  operation: 'scan' | 'update',
  work: (stored: StoredSr) => Promise<void>,
): Promise<void> {
  if (!isOfRepository(xen, sr)) return;
  await duringSr(xen, call, sr, operation, async () => {
    const stored = storedSr(xen, sr);
    const { repository, type } = stored;
    if (repository === undefined || !isAttached(xen, repository)) {
      throw xenError('SR_HAS_NO_PBDS', sr);
    }
    try {
      await work(stored);
    } catch (error) {
      if (call.signal.aborted) throw call.signal.reason;
      throw storageFailure(type, error);
    }
  });
}
