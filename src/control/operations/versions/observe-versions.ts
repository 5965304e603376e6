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
  readonly #failed: (error: unknown) => void;
  #collectedAt = Number.NEGATIVE_INFINITY;
  #collecting: Promise<void> | undefined;

  /** @param failed what could not be collected, for the log */
  constructor(control: Control, failed: (error: unknown) => void) {
    this.#control = control;
    this.#failed = failed;
  }

  /**
   * Tells of releases whose date has come, renews the leases of those who write, forgets versions whose last
   * reader has left, and begins to remove layers on which nothing stands any more: a volume that is slow to delete
   * keeps no lease from being renewed.
   */
  observe(now: number): void {
    const control = this.#control;
    renewLocks(control.catalog, now, control.maintenanceLeaseMs, writerLiveness(control));
    tellReleases(control, now);
    if (forgetUnread(control)) this.#collectedAt = Number.NEGATIVE_INFINITY;
    if (this.#collecting !== undefined || now - this.#collectedAt < COLLECT_EVERY_MS) return;
    this.#collectedAt = now;
    this.#collecting = this.#collect();
  }

  /** Settles when nothing is being removed any more. */
  async close(): Promise<void> {
    await this.#collecting;
  }

  async #collect(): Promise<void> {
    try {
      await collectLayers(this.#control);
    } catch (error) {
      this.#failed(error);
    }
    this.#collecting = undefined;
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
