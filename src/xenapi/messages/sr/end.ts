/** SR.forget and SR.destroy (xapi_sr.ml). */
import { deleteRepository, detachRepository, forgetRepository } from '../../../control/index.ts';
import { Fault } from '../../../errors/index.ts';
import type { Handlers } from '../../call.ts';
import { PBD } from '../../datamodel/pbd.ts';
import { SR } from '../../datamodel/sr.ts';
import { setFact, withFact } from '../../projections/kept-facts.ts';
import type { Xen } from '../../xen.ts';
import { xenError } from '../../xen-error.ts';
import { keepWaitingSecrets } from '../secret/secrets.ts';
import { MAX_DESTROYED_KNOWN } from './limits.ts';
import { duringSr, nameNow, type StoredSr, storedSr } from './stored-sr.ts';

/** In other_config of an SR: true: it is forgotten with what only the catalog knows of its snapshots. */
export const FORGET_SNAPSHOTS_KEY = 'rootcast-forget-snapshots';

export const forgetSr =
  (xen: Xen): Handlers<typeof SR>['forget'] =>
  (call, { sr }) =>
    duringSr(xen, call, sr, 'forget', async () => {
      const stored = storedSr(xen, sr);
      if (stored.repository === undefined) return dropIntroduced(xen, stored);
      refuseSnapshots(xen, stored);
      try {
        await letGo(xen, stored);
        await forgetRepository(xen.control, nameNow(xen, stored));
      } catch (error) {
        throw inUse(error);
      }
      dropKept(xen, stored);
    });

/**
 * An empty one. The storage keeps the mark that it is ours (deleteRepository), which SR.create takes for nothing from
 * then on, and SR.probe does not tell.
 */
export const destroySr =
  (xen: Xen): Handlers<typeof SR>['destroy'] =>
  (call, { sr }) =>
    duringSr(xen, call, sr, 'destroy', async () => {
      const stored = storedSr(xen, sr);
      try {
        await letGo(xen, stored);
        await deleteRepository(xen.control, nameNow(xen, stored));
      } catch (error) {
        throw inUse(error);
      }
      dropKept(xen, stored);
      noteDestroyed(xen, stored.id);
    });

/** One that cannot be reached is still to be attached, and tried again and again. */
export async function letGo({ control }: Xen, { repository }: StoredSr): Promise<void> {
  if (repository === undefined || repository.state === 'detached') return;
  await detachRepository(control, repository.name, { force: false });
}

/**
 * How snapshots hang together, and what of a volume lies in layers, is in the catalog alone: it would not be found again
 * when the SR is introduced, as clients expect of what they forget.
 */
function refuseSnapshots({ control, objects }: Xen, { ref, id }: StoredSr): void {
  const { snapshots, volumeNodes } = control.catalog;
  const count = snapshots.count(id);
  if (count === 0 && volumeNodes.ofRepository(id).length === 0) return;
  if (objects.require(SR, ref).other_config.get(FORGET_SNAPSHOTS_KEY) === 'true') return;
  const what =
    count > 0
      ? `${count} snapshots`
      : 'volumes whose blocks lie in several layers (clones, and what had snapshots)';
  const reason = `It has ${what}, which could not be found again: delete them, or set other_config:${FORGET_SNAPSHOTS_KEY}=true`;
  throw xenError('OPERATION_NOT_ALLOWED', reason);
}

/** What of the control plane has it in use, in its words: vDisks, groups, schedules, replications. */
function inUse(error: unknown): unknown {
  if (!(error instanceof Fault) || error.code !== 'IN_USE') return error;
  const { expected } = error.details;
  const reason = expected === undefined ? error.message : `${error.message}: ${expected}`;
  return xenError('OPERATION_NOT_ALLOWED', reason);
}

function dropIntroduced(xen: Xen, { id }: StoredSr): void {
  xen.control.catalog.transaction(() => {
    keepWaitingSecrets(xen, id, {});
    dropKept(xen, { id });
  });
}

function dropKept({ control, kept }: Xen, { id }: Pick<StoredSr, 'id'>): void {
  control.catalog.transaction(() => {
    kept.delete(SR, id);
    kept.delete(PBD, id);
  });
}

function noteDestroyed(xen: Xen, id: string): void {
  const { kept, control } = xen;
  control.catalog.transaction(() => {
    const known = withFact(xen, 'SR', 'destroyed');
    for (const old of known.slice(0, Math.max(0, known.length + 1 - MAX_DESTROYED_KNOWN)))
      kept.delete(SR, old);
    setFact(xen, 'SR', id, 'destroyed', true);
  });
}
