import { isSealed } from '../catalog/records.ts';
import type { Control } from '../control.ts';
import { WARM_START_MS } from '../limits.ts';
import { copyToRead, isReachable } from '../replicas/copies-of-layer.ts';
import { productionVersion } from '../versions/which-version.ts';
import { readVersionAhead, traceOf } from './traces.ts';

/**
 * After a start of the service: what machines boot is read ahead, as soon as its repository is attached. For
 * the vDisks' production versions, the one that booted last first, as far as there is room for all of them.
 */
export class WarmStart {
  readonly #control: Control;
  readonly #startedAt: number;
  /** Ids of vDisks that are still to be looked at. */
  #pending: readonly string[] | undefined;
  #bytesLeft: number;

  constructor(control: Control) {
    this.#control = control;
    this.#startedAt = control.clock.now();
    this.#bytesLeft = control.bootReads.gauges().sharedBytesMax;
  }

  /** By the service's ticker. */
  observe(now: number): void {
    const pending = this.#pending ?? this.#vdisks();
    if (now - this.#startedAt > WARM_START_MS) this.#pending = [];
    else if (pending.length > 0) this.#pending = pending.filter((id) => !this.#warm(id, now));
    else this.#pending = pending;
  }

  /** Those that have a trace, the one that was recorded last first. */
  #vdisks(): readonly string[] {
    const { catalog } = this.#control;
    const rank = new Map(catalog.traces.contents().map((contentId, at) => [contentId, at]));
    const last = Number.POSITIVE_INFINITY;
    const ranked: { readonly id: string; readonly at: number }[] = [];
    for (const [id, versions] of catalog.versions.allByVdisk()) {
      const ranks = versions.filter(isSealed).map(({ contentId }) => rank.get(contentId) ?? last);
      const at = Math.min(last, ...ranks);
      if (at < last) ranked.push({ id, at });
    }
    return ranked.sort((a, b) => a.at - b.at).map(({ id }) => id);
  }

  /** @returns whether it is done with */
  #warm(vdiskId: string, now: number): boolean {
    const { catalog, storage, bootReads } = this.#control;
    const vdisk = catalog.vdisks.byId(vdiskId);
    if (vdisk === undefined) return true;
    const versions = catalog.versions.ofVdisk(vdiskId);
    const choice = productionVersion(vdisk, versions, now);
    if (choice.kind !== 'sealed') return true;
    const reach = { catalog, isAttached: (id: string) => storage.isAttached(id) };
    const isThere = catalog.layers
      .chain(choice.version.layerId)
      .every((layer) => isReachable(reach, copyToRead(reach, layer).repositoryId));
    if (!isThere) return false;
    const bytes =
      traceOf(this.#control, choice.version, versions).order.length * bootReads.unitBytes;
    if (bytes > this.#bytesLeft) return true;
    this.#bytesLeft -= bytes;
    readVersionAhead(this.#control, choice.version, versions);
    return true;
  }
}
