/** What happens to versions by itself, as time passes. */
import type { Control } from '../../control.ts';
import { COLLECT_EVERY_MS } from '../../limits.ts';
import { collectLayers } from '../../versions/collect-layers.ts';
import { renewLocks } from '../../versions/lease-lock.ts';
import { writerLiveness } from '../../versions/maintain.ts';
import { versionSubject } from '../../versions/situation.ts';
import { forgetUnread } from './delete-version.ts';

/** Called by the service's ticker, about once a second. */
export class VersionObserver {
  readonly #control: Control;
  #collectedAt = Number.NEGATIVE_INFINITY;

  constructor(control: Control) {
    this.#control = control;
  }

  /**
   * Tells of releases whose date has come, renews the leases of those who write, forgets versions whose last
   * reader has left, and removes layers on which nothing stands any more.
   */
  async observe(now: number): Promise<void> {
    const control = this.#control;
    tellReleases(control, now);
    renewLocks(control.catalog, now, control.maintenanceLeaseMs, writerLiveness(control));
    const forgotten = forgetUnread(control);
    if (!forgotten && now - this.#collectedAt < COLLECT_EVERY_MS) return;
    this.#collectedAt = now;
    await collectLayers(control);
  }
}

/** The date did it: machines boot it already (which-version.ts); this only says so. */
function tellReleases(control: Control, now: number): void {
  for (const version of control.catalog.versions.due(now)) {
    const name = control.catalog.vdisks.byId(version.vdiskId)?.name ?? version.vdiskId;
    control.change((record) => {
      control.catalog.versions.update({ ...version, releaseAt: undefined });
      record({
        kind: 'version.released',
        subject: versionSubject(name, version.number),
        message: `version ${version.number} of ${name} is released, as scheduled`,
      });
    });
  }
}
