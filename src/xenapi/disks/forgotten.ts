/**
 * Volumes and snapshots that XenAPI does not show: VDI.forget has dropped their records. A row of the catalog says so,
 * beside what is kept of the VDI; it has no fields.
 */
import { disksWithoutData } from '../../control/index.ts';
import { type ClassDescription, describeClass } from '../datamodel/description.ts';
import type { Xen } from '../xen.ts';

/** Never a class of the datamodel: nobody can call it. */
export const FORGOTTEN: ClassDescription = describeClass({
  name: 'VDI:forgotten',
  doc: 'A volume that is not shown',
  role: 'pool-admin',
  fields: {},
  messages: {},
});

export function isForgotten({ kept }: Pick<Xen, 'kept'>, id: string): boolean {
  return kept.get(FORGOTTEN, id) !== undefined;
}

/** What a scan of the SR does, as xapi's: all that lies there has a record again. */
export function showForgotten(
  { kept, control }: Pick<Xen, 'kept' | 'control'>,
  repositoryId: string,
): void {
  const { catalog } = control;
  const withoutData = new Set(disksWithoutData(control, repositoryId).map(({ id }) => id));
  catalog.transaction(() => {
    for (const { id } of kept.all(FORGOTTEN)) {
      const there = catalog.volumes.byId(id) ?? catalog.snapshots.byId(id);
      if (there?.repositoryId === repositoryId || withoutData.has(id)) kept.delete(FORGOTTEN, id);
    }
  });
}
