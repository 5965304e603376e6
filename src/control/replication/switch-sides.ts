/** The end of a failover: the catalog says that the other side is written. */

import type { PointRecord } from '../catalog/replication/records.ts';
import type { Control } from '../control.ts';
import { changeReplication } from './change-replication.ts';
import { setRole } from './fence.ts';
import { current, partsOf, targetSide, volumesOf } from './situation.ts';

/** Whoever still writes the old source: it is a replica now, and opened by nobody any more. */
export async function endWriters(control: Control, id: string): Promise<void> {
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

export function switchSides(
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
