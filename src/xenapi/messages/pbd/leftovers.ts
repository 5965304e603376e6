/**
 * What destroyed snapshots and clones stood on is deleted in the background. As long as it is there a client that has
 * destroyed every VDI of an SR finds it empty, and its storage is not: once detached it would keep what nobody knows of,
 * and an SR that is forgotten then would show it as VDIs when it is introduced again.
 */
import { setTimeout as delay } from 'node:timers/promises';
import type { Xen } from '../../xen.ts';
import { LEFTOVERS_MS, LEFTOVERS_POLL_MS } from './limits.ts';

/** Settles when nothing but leftovers is there no more: at once when there is more, or when it takes too long. */
export async function leftoversGone(
  { control }: Xen,
  repositoryId: string,
  signal: AbortSignal,
): Promise<void> {
  const { volumeNodes, arrayLeftovers } = control.catalog;
  const onlyLeftovers = (): boolean => {
    const nodes = volumeNodes.ofRepository(repositoryId);
    const isHidden = ({ volumeId, snapshotId }: (typeof nodes)[number]): boolean =>
      volumeId === undefined && snapshotId === undefined;
    const left = nodes.length + arrayLeftovers.ofRepository(repositoryId).length;
    return left > 0 && nodes.every(isHidden);
  };
  for (let waited = 0; waited < LEFTOVERS_MS && onlyLeftovers(); waited += LEFTOVERS_POLL_MS) {
    if (!control.storage.isAttached(repositoryId)) return; // nothing can be deleted
    await delay(LEFTOVERS_POLL_MS, undefined, { signal, ref: false });
  }
}
