/** A rw field of an object, kept in the catalog's row of what it stands for. */
import type { ClassDescription, Ref } from '../datamodel/description.ts';
import type { KeptObjects } from './kept-objects.ts';
import type { Objects } from './objects.ts';

/** @throws XenError HANDLE_INVALID; Fault LIMIT_EXCEEDED */
export function setKeptField(
  { objects, kept }: { readonly objects: Objects; readonly kept: KeptObjects },
  description: ClassDescription,
  ref: Ref,
  field: string,
  value: unknown,
): void {
  const { id } = objects.origin(description.name, ref);
  kept.set(description, id, { [field]: value });
}
