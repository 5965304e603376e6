/**
 * VDIs that were made to be filled, and are not full yet: by an import into an SR, by a copy. A row of the catalog says
 * so from the moment that they are made; what is unfinished when the service starts is half of something and goes.
 */
import { type ClassDescription, describeClass } from '../datamodel/description.ts';
import type { Xen } from '../xen.ts';

/** Never a class of the datamodel: nobody can call it. */
export const UNFINISHED: ClassDescription = describeClass({
  name: 'VDI:unfinished',
  doc: 'A volume that is being filled',
  role: 'pool-admin',
  fields: {},
  messages: {},
});

type Kept = Pick<Xen, 'kept'>;

/** In the transaction that makes it. @param id of the volume */
export function markUnfinished({ kept }: Kept, id: string): void {
  kept.set(UNFINISHED, id, {});
}

/** It holds all that it was made for. */
export function markFinished({ kept }: Kept, id: string): void {
  kept.delete(UNFINISHED, id);
}

/** @returns ids of volumes */
export function unfinished({ kept }: Kept): readonly string[] {
  return kept.all(UNFINISHED).map(({ id }) => id);
}
