/** PBD.plug: the storage is attached. */
import { attachRepository, refreshRepository } from '../../../control/index.ts';
import { Fault } from '../../../errors/index.ts';
import type { Call, Handlers } from '../../call.ts';
import { PBD } from '../../datamodel/pbd.ts';
import { SR } from '../../datamodel/sr.ts';
import { storageFailure } from '../../device-config/storage-failure.ts';
import { runOperation } from '../../disks/run-operation.ts';
import { isAttached } from '../../projections/repository-records.ts';
import type { Xen } from '../../xen.ts';
import { backendFailure } from '../../xen-error.ts';
import { secretsOfPbd } from '../secret/secrets.ts';
import { doubtMessage, makeRepository, takeUp } from '../sr/make-repository.ts';
import { duringSr, nameNow, type StoredSr, storedSr } from '../sr/stored-sr.ts';
import { type GivenTarget, missingFailure, openTarget, probeTarget } from '../sr/whole-target.ts';

/** In other_config of a PBD: true: the next plug takes the storage from the server that has it, once. */
export const TAKE_OVER_KEY = 'rootcast-take-over';

/** 47 SRUnavailable. */
const UNAVAILABLE = 47;

/** Types of folders that are nobody's until they are plugged (sm FileSR.py, ISOSR.py). */
const PLUGGED_EMPTY: ReadonlySet<string> = new Set(['file', 'local', 'iso']);

export function plugPbd(xen: Xen): Handlers<typeof PBD>['plug'] {
  return async (call, { self }) => {
    const { SR: sr } = xen.objects.require(PBD, self);
    const { repository } = storedSr(xen, sr);
    if (repository !== undefined && isAttached(xen, repository)) return;
    await duringSr(xen, call, sr, 'plug', async () => {
      const stored = storedSr(xen, sr);
      try {
        await attach(xen, call, stored);
      } catch (error) {
        throw storageFailure(stored.type, error);
      }
      await look(xen, call, stored);
    });
  };
}

async function attach(xen: Xen, call: Call, stored: StoredSr): Promise<void> {
  const { control } = xen;
  const { repository } = stored;
  if (repository === undefined) return takeUpStorage(xen, call, stored);
  if (control.storage.isAttached(repository.id)) {
    // It did not answer for a while: it is asked again.
    await refreshRepository(control, repository.name);
    return;
  }
  const takeOver = wantsTakeOver(xen, stored);
  try {
    await runOperation(xen, call, () =>
      attachRepository(control, nameNow(xen, stored), { takeOver }),
    );
  } catch (error) {
    // Somebody else has plugged it meanwhile.
    if (!control.storage.isAttached(repository.id)) throw error;
  }
  if (takeOver) forgetTakeOver(xen, stored);
}

/** An SR that was introduced: it must be the one that lies there. */
async function takeUpStorage(xen: Xen, call: Call, stored: StoredSr): Promise<void> {
  const { id, type, ref } = stored;
  const { name_label: label, name_description: description } = xen.objects.require(SR, ref);
  const target = waitingTarget(xen, stored);
  if (target.missing !== undefined) {
    throw await missingFailure(xen, call, type, target, target.missing);
  }
  const { found } = await probeTarget(xen, call, type, target);
  const now = storedSr(xen, ref);
  if (now.repository !== undefined) return attach(xen, call, now); // somebody else is at it
  const there = found.find(({ holds }) => holds !== null)?.holds?.repositoryId;
  if (there !== undefined && there !== id) {
    throw backendFailure(UNAVAILABLE, `The SR is not available: SR ${there} lies there`);
  }
  if (there === undefined && !PLUGGED_EMPTY.has(type.name)) {
    throw backendFailure(UNAVAILABLE, 'The SR is not available: no SR lies there');
  }
  const takeOver = wantsTakeOver(xen, stored);
  const existing = takeOver ? 'take-over' : 'existing';
  const mode = there === undefined ? 'create' : existing;
  const nothing = { keep: () => undefined, undo: () => undefined };
  await makeRepository(xen, call, { ...target, id, label, description, mode }, nothing);
  if (takeOver) forgetTakeOver(xen, stored);
}

/** What its PBD says, with the secrets that were kept for it. */
function waitingTarget(xen: Xen, { id, ref, type }: StoredSr): GivenTarget {
  const shown = xen.kept.get(PBD, id)?.fields['device_config'] as ReadonlyMap<string, string>;
  const smConfig = xen.objects.require(SR, ref).sm_config;
  return openTarget(
    xen,
    type,
    { device_config: shown, sm_config: smConfig },
    secretsOfPbd(xen, id),
  );
}

/** xapi scans what was plugged; it stays plugged when that fails. */
async function look(xen: Xen, call: Call, { id }: StoredSr): Promise<void> {
  try {
    const taken = await takeUp(xen, call, id);
    if (taken.doubtful > 0) xen.log(doubtMessage(taken), undefined);
  } catch (error) {
    if (call.signal.aborted) throw call.signal.reason;
    if (!(error instanceof Fault)) throw error;
    xen.log(`looking at what SR ${id} holds`, error);
  }
}

function wantsTakeOver({ kept }: Xen, { id }: StoredSr): boolean {
  const otherConfig = kept.get(PBD, id)?.fields['other_config'];
  return otherConfig instanceof Map && otherConfig.get(TAKE_OVER_KEY) === 'true';
}

function forgetTakeOver({ kept }: Xen, { id }: StoredSr): void {
  const otherConfig = new Map(kept.get(PBD, id)?.fields['other_config'] as Map<string, string>);
  otherConfig.delete(TAKE_OVER_KEY);
  kept.set(PBD, id, { other_config: otherConfig });
}
