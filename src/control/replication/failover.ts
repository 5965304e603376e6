/**
 * The replica becomes the side that is written.
 *
 * planned: the source is fenced, what it still has is sent, and nothing is lost. forced: the source cannot be asked;
 * the newest complete point is taken, and what came after it is not there. The old source is fenced in the catalog
 * in both cases; after a forced failover it may hold what was never sent, which is looked into when it is reachable
 * again (divergence.ts), and never thrown away without being told to.
 */

import { Fault } from '../../errors/index.ts';
import {
  otherSide,
  type PointRecord,
  type ReplicationRecord,
  type Side,
} from '../catalog/replication/records.ts';
import type { Control } from '../control.ts';
import { withHooks } from '../storage/hooks.ts';
import { volumeNameOf } from '../storage/names.ts';
import type { Call } from '../storage-port.ts';
import type { ReportProgress } from '../tasks/task-runner.ts';
import { changeReplication } from './change-replication.ts';
import { fence, setRole, unfence } from './fence.ts';
import { revertHeads } from './heads.ts';
import { eachLink, promoteLinks } from './link-run.ts';
import { discardPoint, sendPoint } from './send-point.ts';
import {
  current,
  newestPoint,
  noPoint,
  occasionOf,
  partsOf,
  sendingPoint,
  targetSide,
  volumesOf,
} from './situation.ts';

export interface FailoverResult {
  readonly replication: string;
  readonly kind: 'planned' | 'forced';
  /** What the new source was when it became one; undefined: the arrays know. */
  readonly point: number | undefined;
}

/** Inside the replication's turn, when nothing is being sent. */
export async function failOver(
  control: Control,
  id: string,
  kind: 'planned' | 'forced',
  report: ReportProgress,
  signal: AbortSignal,
): Promise<FailoverResult> {
  const before = refuseFailedOver(current(control.catalog, id));
  const fail = kind === 'planned' ? planned : forced;
  const occasion = occasionOf(control, before, 'failover', { ROOTCAST_FAILOVER: kind });
  const { value: point } = await withHooks(control, occasion, signal, () =>
    before.mode === 'array' ? failOverLinks(control, id, kind) : fail(control, id, report, signal),
  );
  return { replication: before.name, kind, point: point?.number };
}

function refuseFailedOver(replication: ReplicationRecord): ReplicationRecord {
  if (replication.failover === 'none') return replication;
  throw new Fault('IN_USE', `replication ${replication.name} is failed over already`, {
    field: 'replication.state',
    value: replication.state,
    expected: 'one that is not (rootcast replication reverse, or resync)',
  });
}

async function planned(
  control: Control,
  id: string,
  report: ReportProgress,
  signal: AbortSignal,
): Promise<PointRecord> {
  const { sourceSide } = current(control.catalog, id);
  // While it is still written: so little is left when nobody may write any more.
  await sendPoint(control, id, report, signal);
  await fence(control, id, sourceSide);
  try {
    const last = await sendPoint(control, id, report, signal);
    // Fenced since before it was taken: the old source still holds it.
    switchSides(control, id, 'planned', last);
    return last;
  } catch (error) {
    unfence(control, id, sourceSide);
    throw error;
  }
}

async function forced(
  control: Control,
  id: string,
  _report: ReportProgress,
  signal: AbortSignal,
): Promise<PointRecord> {
  const { catalog } = control;
  const replication = current(catalog, id);
  const side = targetSide(replication);
  const point = newestPoint(catalog, id, side);
  if (point === undefined) throw noPoint(replication.name);
  const call: Call = { signal, progress: () => undefined };
  await revertHeads(control, id, point, side, call);
  const stale = sendingPoint(catalog, id);
  if (stale !== undefined) discardPoint(control, stale);
  switchSides(control, id, 'forced', point);
  await endWriters(control, id);
  return point;
}

/** Whoever still writes the old source: it is a replica now, and opened by nobody any more. */
async function endWriters(control: Control, id: string): Promise<void> {
  const { catalog } = control;
  const replication = current(catalog, id);
  const members = catalog.replications.members(id);
  for (const volume of volumesOf(catalog, members, targetSide(replication))) {
    try {
      await partsOf(control).endConnections(volume.id);
    } catch (error) {
      // Its storage is away, and it hangs there. What it may still write counts as never sent.
      const reason = error instanceof Error ? error.message : String(error);
      changeReplication(
        control,
        id,
        {},
        {
          kind: 'replication.not-fenced',
          message: `a connection to the old source ${volume.name} did not end: ${reason}`,
        },
      );
    }
  }
}

function switchSides(
  control: Control,
  id: string,
  kind: 'planned' | 'forced',
  point: PointRecord | undefined,
): void {
  control.change(() => {
    const replication = current(control.catalog, id);
    const side = targetSide(replication);
    setRole(control, id, replication.sourceSide, 'replica');
    setRole(control, id, side, 'volume');
    const of = point === undefined ? '' : ` at point ${point.number}`;
    changeReplication(
      control,
      id,
      {
        ...{ sourceSide: side, failover: kind, state: 'failed-over', reason: undefined },
        ...{ isRunning: false, nextAt: undefined, rpoMissed: false, failures: 0 },
        diverged: kind === 'planned' ? false : undefined,
        headPointId: kind === 'planned' ? point?.id : undefined,
      },
      {
        kind: `replication.failover-${kind}`,
        message: `replication ${replication.name} is failed over${of}: its replica is written from now on`,
        data: { ...(point === undefined ? {} : { point: point.number }) },
      },
    );
  });
}

async function failOverLinks(
  control: Control,
  id: string,
  kind: 'planned' | 'forced',
): Promise<undefined> {
  const { sourceSide, state } = current(control.catalog, id);
  const side = otherSide(sourceSide);
  if (kind === 'forced') {
    await promoteLinks(control, id, side, true);
    switchSides(control, id, kind, undefined);
    await endWriters(control, id);
    return;
  }
  await fence(control, id, sourceSide);
  changeReplication(control, id, { state: 'promoting' });
  try {
    await eachLink(control, id, sourceSide, (links, volume) => links.demote(volumeNameOf(volume)));
    await promoteLinks(control, id, side, false);
  } catch (error) {
    await takeLinksBack(control, id, sourceSide, state);
    throw error;
  }
  switchSides(control, id, kind, undefined);
}

/**
 * Some members may have changed sides. The source is written again only when no array says any more that the other
 * side is; otherwise nobody writes until somebody has looked.
 */
async function takeLinksBack(
  control: Control,
  id: string,
  source: Side,
  state: ReplicationRecord['state'],
): Promise<void> {
  try {
    await eachLink(control, id, otherSide(source), async (links, volume) => {
      const status = await links.status(volumeNameOf(volume));
      if (status?.role === 'primary') await links.demote(volumeNameOf(volume));
    });
    await eachLink(control, id, source, async (links, volume) => {
      const status = await links.status(volumeNameOf(volume));
      if (status?.role !== 'primary') await links.promote(volumeNameOf(volume), { force: false });
    });
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    const reason = `a failover came to nothing, and the source could not be taken back: ${why}`;
    changeReplication(control, id, { state: 'broken', reason });
    return;
  }
  unfence(control, id, source);
  changeReplication(control, id, { state });
}
