import type { StoredVolume } from '../storage-port.ts';

/** What the storage says of a volume, as its record has it. */
export function storedFacts({ handle, size, thin, wwid }: StoredVolume) {
  return { handle, size, thin, wwid };
}
