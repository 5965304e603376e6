/** PBD.unplug: the storage is let go of. */
import { detachRepository } from '../../../control/index.ts';
import { Fault } from '../../../errors/index.ts';
import type { Handlers } from '../../call.ts';
import type { Ref } from '../../datamodel/description.ts';
import { PBD } from '../../datamodel/pbd.ts';
import { SR } from '../../datamodel/sr.ts';
import { storageFailure } from '../../device-config/storage-failure.ts';
import { refOf } from '../../objects/refs.ts';
import type { Xen } from '../../xen.ts';
import { XenError, xenError } from '../../xen-error.ts';
import { duringSr, nameNow, storedSr } from '../sr/stored-sr.ts';
import { leftoversGone } from './leftovers.ts';

/** What the storage port calls what is open: `volume:ID`. */
const OPEN = /^(?:volume|snapshot):(?<id>.+)$/;

/** Of one that cannot be reached, too: it is not tried any more. */
export function unplugPbd(xen: Xen): Handlers<typeof PBD>['unplug'] {
  return async (call, { self }) => {
    const { SR: sr } = xen.objects.require(PBD, self);
    const stored = storedSr(xen, sr);
    const { repository } = stored;
    if (repository === undefined || repository.state === 'detached') return;
    await duringSr(xen, call, sr, 'unplug', async () => {
      refuseBusyVdis(xen, sr);
      await leftoversGone(xen, repository.id, call.signal);
      try {
        await detachRepository(xen.control, nameNow(xen, stored), { force: false });
      } catch (error) {
        if (error instanceof Fault && error.code === 'IN_USE') throw vdisInUse(error);
        throw storageFailure(stored.type, error);
      }
    });
  };
}

/** @throws XenError OTHER_OPERATION_IN_PROGRESS */
function refuseBusyVdis({ objects, operations }: Xen, sr: Ref): void {
  for (const vdi of objects.require(SR, sr).VDIs) operations.refuseOther('VDI', vdi, () => false);
}

/** Of what is open by name; of what else has it in use (vDisks, write caches, tasks) in words. */
function vdisInUse({ details, message }: Fault): XenError {
  const keys = Array.isArray(details.value) ? details.value.map(String) : [];
  const vdis = keys.flatMap((key) => {
    const id = OPEN.exec(key)?.groups?.['id'];
    return id === undefined ? [] : [refOf('VDI', id)];
  });
  if (vdis.length > 0) return new XenError('VDI_IN_USE', vdis);
  return xenError('OPERATION_NOT_ALLOWED', `${message}: expected ${details.expected ?? 'no use'}`);
}
