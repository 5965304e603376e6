/** A run of a replication that the arrays do: they are told to send what is now. */

import type { Control } from '../control.ts';
import { withHooks } from '../storage/hooks.ts';
import { volumeNameOf } from '../storage/names.ts';
import { inTurn } from '../storage/turns.ts';
import { changeReplication } from './change-replication.ts';
import { adoptCopies } from './link-copies.ts';
import { observeLinks } from './link-watch.ts';
import { eachLink, statusOfLink } from './links.ts';
import { current, occasionOf } from './situation.ts';

/** A moment of every member is on its way; links and copies that are not there yet are made. */
export async function syncLinks(control: Control, id: string, signal: AbortSignal): Promise<void> {
  const { sourceSide } = current(control.catalog, id);
  await eachLink(control, id, sourceSide, async (links, volume) => {
    signal.throwIfAborted();
    if ((await statusOfLink(links, volume)) === undefined) await links.enable(volumeNameOf(volume));
  });
  signal.throwIfAborted();
  await adoptCopies(control, id);
  await sendNow(control, id, signal);
  // The reason of a run that failed is not kept any longer.
  changeReplication(control, id, { failures: 0 });
  await observeLinks(control, id);
}

/**
 * The moment of it is that of the snapshot hooks, as with points of our own.
 * @returns per member, what the array will call the newest moment when this one has arrived
 */
export async function sendNow(
  control: Control,
  id: string,
  signal: AbortSignal,
): Promise<readonly (number | undefined)[]> {
  const replication = current(control.catalog, id);
  const occasion = occasionOf(control, replication, 'snapshot', {});
  const turns = occasion.volumes.map((volume) => `hooks/${volume.id}`);
  const { value } = await inTurn(control, turns, () =>
    withHooks(control, occasion, signal, async () => {
      const moments: (number | undefined)[] = [];
      await eachLink(control, id, replication.sourceSide, async (links, volume) => {
        moments.push(await links.syncNow(volumeNameOf(volume)));
      });
      return moments;
    }),
  );
  return value;
}
