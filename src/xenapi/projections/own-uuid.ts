import type { ClassDescription } from '../datamodel/description.ts';
import type { Xen } from '../xen.ts';

/**
 * Of an object that no other server may have under the same uuid, and that is the same after a restart: made the first
 * time that it is asked for, and kept.
 */
export function ownUuid({ kept, control }: Xen, description: ClassDescription, id: string): string {
  const known = kept.get(description, id)?.uuid;
  if (known !== undefined) return known;
  const uuid = control.newId();
  kept.set(description, id, {}, uuid);
  return uuid;
}
