import { setTimeout as delay } from 'node:timers/promises';
import { Fault } from '../../errors/index.ts';
import { type OpenVolumes, volumeKey } from '../../volumes/index.ts';
import { FENCE_ASK_MS, FENCE_MS, FENCE_TELL_MS } from '../limits.ts';

/** Ends connections to an export. @param atOnce without the answers to what was accepted */
export type EndExport = (exportName: string, atOnce: boolean) => void;

/**
 * Ends every connection to a volume, and settles when nobody has it open: before it becomes a replica, or one
 * becomes a volume that is written to.
 * @throws Fault UNAVAILABLE when one does not end
 */
export async function endConnections(
  open: OpenVolumes,
  volumeId: string,
  how: { readonly namesOf: (key: string) => readonly string[]; readonly end: EndExport },
): Promise<void> {
  const key = volumeKey(volumeId);
  for (let waited = 0; open.isOpen(key); waited += FENCE_TELL_MS) {
    if (waited >= FENCE_MS) {
      throw new Fault('UNAVAILABLE', 'a connection to the volume did not end in time', {
        field: 'connections',
        value: how.namesOf(key).join(', '),
      });
    }
    for (const name of how.namesOf(key)) how.end(name, waited >= FENCE_ASK_MS);
    await delay(FENCE_TELL_MS);
  }
}
