/**
 * The replica becomes the side that is written.
 *
 * planned: the source is fenced, what it still has is sent, and nothing is lost. forced: the source cannot be asked;
 * the newest complete point is taken, and what came after it is not there. The old source is fenced in the catalog
 * in both cases; after a forced failover it may hold what was never sent, which is looked into when it is reachable
 * again (divergence.ts), and never thrown away without being told to.
 */

import { Fault } from '../../errors/index.ts';
import type { PointRecord, ReplicationRecord } from '../catalog/replication/records.ts';
import type { Control } from '../control.ts';
import { withHooks } from '../storage/hooks.ts';
import type { Call } from '../storage-port.ts';
import type { ReportProgress } from '../tasks/task-runner.ts';
import { fence, unfence } from './fence.ts';
import { revertHeads } from './heads.ts';
import { failOverLinks } from './link-failover.ts';
import { discardPoint, sendPoint } from './send-point.ts';
import {
  current,
  newestPoint,
  noPoint,
  occasionOf,
  sendingPoint,
  targetSide,
} from './situation.ts';
import { endWriters, switchSides } from './switch-sides.ts';

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
    before.mode === 'array'
      ? failOverLinks(control, id, kind, report, signal)
      : fail(control, id, report, signal),
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
