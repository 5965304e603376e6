/** Links are begun anew (resync) and ended. */

import { otherSide, type ReplicationRecord, type Side } from '../catalog/replication/records.ts';
import type { Control } from '../control.ts';
import { volumeNameOf } from '../storage/names.ts';
import { adoptCopies } from './link-copies.ts';
import { eachLink, statusOfLink } from './links.ts';
import { targetSide } from './situation.ts';

/**
 * What the side has is thrown away for what the other has. The other one is the original first: what is thrown away
 * must not come over as its change.
 */
export async function resyncLinks(control: Control, id: string, discard: Side): Promise<void> {
  await adoptCopies(control, id);
  await eachLink(control, id, otherSide(discard), async (links, volume) => {
    const status = await statusOfLink(links, volume);
    if (status?.role !== 'primary') await links.promote(volumeNameOf(volume), { force: true });
  });
  await eachLink(control, id, discard, async (links, volume) => {
    const status = await statusOfLink(links, volume);
    // Gone: this was asked for before, and the array is making another copy.
    if (status === undefined) return;
    if (status.role === 'primary') await links.demote(volumeNameOf(volume));
    await links.resync(volumeNameOf(volume));
  });
}

/**
 * Both sides are volumes of their own. An array deletes a copy whose original is not mirrored any more, so the copy is
 * made an original first; what it holds then is its newest complete moment.
 * @param force what cannot be reached is left as it is
 * @returns whether the side of the replica holds something of its own
 */
export async function releaseLinks(
  control: Control,
  replication: ReplicationRecord,
  force: boolean,
): Promise<boolean> {
  const { id, sourceSide } = replication;
  const target = targetSide(replication);
  const isMade = control.catalog.replications.members(id).every(({ right }) => right !== undefined);
  const attempt = async (work: () => Promise<void>, mayFail = force): Promise<boolean> => {
    try {
      await work();
      return true;
    } catch (error) {
      if (!mayFail) throw error;
      return false;
    }
  };
  // Before anything is changed: a copy that became an original is copied whole to be one again.
  if (!force) await eachLink(control, id, sourceSide, statusOfLink);
  const promoted =
    isMade &&
    (await attempt(
      async () => {
        await adoptCopies(control, id);
        await toOriginal(control, id, target);
        // What was never complete is nothing to keep: the array deletes it.
      },
      force || replication.syncedAt === undefined,
    ));
  await attempt(async () => {
    await toOriginal(control, id, sourceSide);
    await disable(control, id, sourceSide);
  });
  return promoted && (await attempt(() => disable(control, id, target)));
}

async function toOriginal(control: Control, id: string, side: Side): Promise<void> {
  await eachLink(control, id, side, async (links, volume) => {
    const status = await statusOfLink(links, volume);
    if (status?.role === 'secondary') await links.promote(volumeNameOf(volume), { force: true });
  });
}

async function disable(control: Control, id: string, side: Side): Promise<void> {
  await eachLink(control, id, side, (links, volume) => links.disable(volumeNameOf(volume)));
}
