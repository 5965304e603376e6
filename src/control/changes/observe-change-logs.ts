/**
 * Lets go, in the background, of snapshots whose data nobody wants any more: as soon as the next snapshot of their
 * volume is there, whoever took it, and what has changed is written down.
 */
import { Fault } from '../../errors/index.ts';
import type { Control } from '../control.ts';
import { CHANGE_LOG_RETRY_MS } from '../limits.ts';
import { settleSnapshot } from './settle.ts';

export class ChangeLogObserver {
  readonly #control: Control;
  readonly #failed: (error: unknown) => void;
  readonly #stopping = new AbortController();
  /** Those that failed, and when they are tried again. */
  readonly #later = new Map<string, number>();
  #running: Promise<void> | undefined;

  constructor(control: Control, failed: (error: unknown) => void) {
    this.#control = control;
    this.#failed = failed;
  }

  /** Returns at once. */
  observe(now: number): void {
    if (this.#running !== undefined || this.#stopping.signal.aborted) return;
    if (this.#due(now).length === 0) return;
    this.#running = this.#settle(now).finally(() => {
      this.#running = undefined;
    });
  }

  /** Settles when nothing that it began is under way. */
  async idle(): Promise<void> {
    await this.#running;
  }

  async close(): Promise<void> {
    this.#stopping.abort(new Fault('UNAVAILABLE', 'the service stops'));
    await this.#running;
  }

  #due(now: number): readonly string[] {
    const { catalog, storage } = this.#control;
    return catalog.trackedDisks
      .going()
      .filter(({ id, repositoryId }) => {
        return storage.isAttached(repositoryId) && (this.#later.get(id) ?? 0) <= now;
      })
      .map(({ id }) => id);
  }

  async #settle(now: number): Promise<void> {
    const { signal } = this.#stopping;
    const due = this.#due(now);
    for (const id of this.#later.keys()) {
      if (this.#control.catalog.trackedDisks.byId(id) === undefined) this.#later.delete(id);
    }
    for (const id of due) {
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
