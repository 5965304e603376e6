/**
 * Failovers of links. The arrays' roles and the catalog change one after the other, so a death in between leaves them
 * different: while the state is `promoting`, a start looks at the arrays and either follows them, or takes back what was
 * begun (recoverLinks). Every step may be made again.
 */

import { otherSide, type Side } from '../catalog/replication/records.ts';
import type { Control } from '../control.ts';
import { volumeNameOf } from '../storage/names.ts';
import type { ReportProgress } from '../tasks/task-runner.ts';
import { changeReplication } from './change-replication.ts';
import { fence, unfence } from './fence.ts';
import { adoptCopies, keepSizes } from './link-copies.ts';
import { sendNow } from './link-run.ts';
import { isInterrupted, isPrimary, observeLinks, seenOfLinks } from './link-watch.ts';
import { eachLink, statusOfLink } from './links.ts';
import { current, targetSide } from './situation.ts';
import { endWriters, switchSides } from './switch-sides.ts';

/** Inside the replication's turn. */
export async function failOverLinks(
  control: Control,
  id: string,
  kind: 'planned' | 'forced',
  report: ReportProgress,
  signal: AbortSignal,
): Promise<undefined> {
  const { sourceSide } = current(control.catalog, id);
  const side = otherSide(sourceSide);
  const known = adoptCopies(control, id);
  if (kind === 'forced') {
    // What is known of the copies may be old: nothing to let an emergency wait for.
    await known.catch(() => undefined);
    await promote(control, id, side, { force: true, signal });
    await keepSizes(control, id, side);
    switchSides(control, id, kind, undefined);
    await endWriters(control, id);
    return;
  }
  await known;
  await sendBefore(control, id, report, signal);
  await fence(control, id, sourceSide);
  changeReplication(control, id, { state: 'promoting', reason: undefined });
  try {
    report(90, 'changing sides');
    await eachLink(control, id, sourceSide, (links, volume) => links.demote(volumeNameOf(volume)));
    await promote(control, id, side, { force: false, signal });
    await keepSizes(control, id, side);
  } catch (error) {
    await takeLinksBack(control, id, sourceSide);
    throw error;
  }
  switchSides(control, id, kind, undefined);
}

/** All members of the side become the writable ones. */
async function promote(
  control: Control,
  id: string,
  side: Side,
  options: { readonly force: boolean; readonly signal?: AbortSignal },
): Promise<void> {
  await eachLink(control, id, side, (links, volume) =>
    links.promote(volumeNameOf(volume), options),
  );
}

/** While it is still written: so little is left when nobody may write any more. */
async function sendBefore(
  control: Control,
  id: string,
  report: ReportProgress,
  signal: AbortSignal,
): Promise<void> {
  const { sourceSide } = current(control.catalog, id);
  const seen = await seenOfLinks(control, id);
  // Demoted already: by a failover that did not come to its end.
  if (!seen[sourceSide].every(isPrimary)) return;
  report(0, 'sending');
  const moments = await sendNow(control, id, signal);
  let index = 0;
  await eachLink(control, id, otherSide(sourceSide), async (links, volume) => {
    const moment = moments[index];
    index += 1;
    if (moment !== undefined) await links.arrived(volumeNameOf(volume), moment, signal);
  });
}

/**
 * Some members may have changed sides. The source is written again only when no array says any more that the other
 * side is; otherwise nobody writes until somebody has looked.
 */
async function takeLinksBack(
  control: Control,
  id: string,
  source: Side,
  signal?: AbortSignal,
): Promise<void> {
  const given = signal === undefined ? {} : { signal };
  try {
    await eachLink(control, id, otherSide(source), async (links, volume) => {
      const status = await statusOfLink(links, volume);
      if (status?.role === 'primary') await links.demote(volumeNameOf(volume));
    });
    await eachLink(control, id, source, async (links, volume) => {
      const status = await statusOfLink(links, volume);
      if (status?.role === 'primary') return;
      await links.promote(volumeNameOf(volume), { force: false, ...given });
    });
  } catch (error) {
    // The service stops: the next one goes on here.
    if (signal?.aborted === true) return;
    const why = error instanceof Error ? error.message : String(error);
    const { name } = current(control.catalog, id);
    const reason =
      `a failover came to nothing, and the source could not be taken back: ${why}; nobody may write until ` +
      `"rootcast replication failover ${name}" (with --force, if the source is lost) has succeeded`;
    changeReplication(control, id, { state: 'broken', reason });
    return;
  }
  await writtenAgain(control, id, source);
}

/** The source is the original, still or again. */
async function writtenAgain(control: Control, id: string, source: Side): Promise<void> {
  unfence(control, id, source);
  changeReplication(control, id, { state: 'syncing', reason: undefined });
  await observeLinks(control, id);
}

/**
 * Inside the replication's turn, after a start: a failover was begun, and the service died. Where the arrays have
 * changed sides the catalog follows; otherwise it is taken back.
 */
export async function recoverLinks(
  control: Control,
  id: string,
  signal: AbortSignal,
): Promise<void> {
  const replication = current(control.catalog, id);
  if (!isInterrupted(replication)) return;
  const { sourceSide } = replication;
  const seen = await seenOfLinks(control, id);
  const theirs = seen[targetSide(replication)];
  const isThere = theirs.length > 0 && theirs.every(isPrimary);
  if (isThere && !seen[sourceSide].some(isPrimary)) {
    await keepSizes(control, id, targetSide(replication));
    switchSides(control, id, 'planned', undefined);
    await endWriters(control, id);
    return;
  }
  if (!isThere && seen[sourceSide].every(isPrimary)) {
    await writtenAgain(control, id, sourceSide);
    return;
  }
  await takeLinksBack(control, id, sourceSide, signal);
}
