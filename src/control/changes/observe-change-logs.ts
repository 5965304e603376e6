/**
 * Lets go, in the background, of snapshots whose data nobody wants any more: as soon as the next snapshot of their
 * volume is there, whoever took it, and what has changed is written down.
 */
import { Fault } from '../../errors/index.ts';
import type { TrackedDisk } from '../catalog/storage/tracked-disk-table.ts';
import type { Control } from '../control.ts';
import { CHANGE_LOG_RETRY_MS } from '../limits.ts';
import { settleSnapshot } from './settle.ts';

export class ChangeLogObserver {
  readonly #control: Control;
  readonly #failed: (error: unknown) => void;
  readonly #stopping = new AbortController();
  /** Those that failed, and when they are tried again. */
  readonly #later = new Map<string, number>();
  /** By repository: an array that does not answer holds up no other. */
  readonly #running = new Map<string, Promise<void>>();

  constructor(control: Control, failed: (error: unknown) => void) {
    this.#control = control;
    this.#failed = failed;
  }

  /** Returns at once. */
  observe(now: number): void {
    if (this.#stopping.signal.aborted) return;
    const due = this.#due(now);
    for (const id of this.#later.keys()) {
      if (this.#control.catalog.trackedDisks.byId(id) === undefined) this.#later.delete(id);
    }
    for (const [repositoryId, disks] of Map.groupBy(due, (disk) => disk.repositoryId)) {
      if (this.#running.has(repositoryId)) continue;
      const settling = this.#settle(disks, now).finally(() => this.#running.delete(repositoryId));
      this.#running.set(repositoryId, settling);
    }
  }

  /** Settles when nothing that it began is under way. */
  async idle(): Promise<void> {
    await Promise.all(this.#running.values());
  }

  async close(): Promise<void> {
    this.#stopping.abort(new Fault('UNAVAILABLE', 'the service stops'));
    await this.idle();
  }

  #due(now: number): readonly TrackedDisk[] {
    const { catalog, storage } = this.#control;
    return catalog.trackedDisks
      .going()
      .filter(
        ({ id, repositoryId }) =>
          storage.isAttached(repositoryId) && (this.#later.get(id) ?? 0) <= now,
      );
  }

  async #settle(disks: readonly TrackedDisk[], now: number): Promise<void> {
    const { signal } = this.#stopping;
    for (const { id } of disks) {
      if (signal.aborted) return;
      try {
        await settleSnapshot(this.#control, id, { signal, progress: () => undefined });
        this.#later.delete(id);
      } catch (error) {
        this.#later.set(id, now + CHANGE_LOG_RETRY_MS);
        if (!signal.aborted) this.#failed(error);
      }
    }
  }
}
