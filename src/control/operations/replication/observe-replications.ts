/** What happens to replications by itself, as time passes. */
import { forEachOf } from '../../../base/index.ts';
import { Fault } from '../../../errors/index.ts';
import type { ReplicationRecord } from '../../catalog/replication/records.ts';
import type { Control } from '../../control.ts';
import { LINK_EVERY_MS, LINKS_AT_ONCE, MAX_REPLICATION_RUNS } from '../../limits.ts';
import { lookForDivergence } from '../../replication/divergence.ts';
import { setRole } from '../../replication/fence.ts';
import { recoverLinks } from '../../replication/link-failover.ts';
import { isInterrupted, watchLinks } from '../../replication/link-watch.ts';
import { observeObjective } from '../../replication/objective.ts';
import { startRun } from '../../replication/run-replication.ts';
import { current, subjectOf, targetSide } from '../../replication/situation.ts';

/** Called by the service's ticker, about once a second. */
export class ReplicationObserver {
  readonly #control: Control;
  readonly #failed: (error: unknown) => void;
  readonly #abort = new AbortController();
  #linksAt = Number.NEGATIVE_INFINITY;
  #looking: Promise<void> | undefined;

  /**
   * What a stop left open is closed: a failover that did not come to its end fences nothing, unless the arrays may
   * have come to its end; they are asked.
   * @param failed what could not be looked at, for the log
   */
  constructor(control: Control, failed: (error: unknown) => void) {
    this.#control = control;
    this.#failed = failed;
    control.catalog.transaction(() => {
      for (const replication of control.catalog.replications.all()) {
        const { id, sourceSide, bytesPerSecond } = replication;
        setRole(control, id, sourceSide, isInterrupted(replication) ? 'replica' : 'volume');
        setRole(control, id, targetSide(replication), 'replica');
        control.replication?.replicator.setThrottle(id, bytesPerSecond);
      }
    });
  }

  /** Objectives, runs that are due or were interrupted, and what storage says that came back. */
  observe(now: number): void {
    const control = this.#control;
    if (control.replication === undefined || this.#abort.signal.aborted) return;
    const all = control.catalog.replications.all();
    for (const replication of all) {
      // One of which something is wrong keeps no other from being sent.
      try {
        observeObjective(control, replication, now);
        if (isDue(replication, now) && this.#isReachable(replication)) this.#start(replication);
      } catch (error) {
        this.#failed(error);
      }
    }
    const looks = now - this.#linksAt >= LINK_EVERY_MS;
    if (!looks || this.#looking !== undefined) return;
    this.#linksAt = now;
    this.#looking = this.#look(all).finally(() => {
      this.#looking = undefined;
    });
  }

  /** Settles when nothing is being asked any more. */
  async close(): Promise<void> {
    this.#abort.abort(new Fault('UNAVAILABLE', 'the service is stopping'));
    await this.#looking;
  }

  /** Settles when what storage was asked is answered. */
  async settled(): Promise<void> {
    await this.#looking;
  }

  /** Until both are attached (after a start: in the background) there is nothing to be tried. */
  #isReachable({ repositories }: ReplicationRecord): boolean {
    const { storage } = this.#control;
    return storage.isAttached(repositories.left) && storage.isAttached(repositories.right);
  }

  #start(replication: ReplicationRecord): void {
    const control = this.#control;
    if (control.replicationRuns.has(replication.id)) return;
    if (control.replicationRuns.size >= MAX_REPLICATION_RUNS) return;
    try {
      startRun(control, replication);
    } catch (error) {
      // Too many tasks, or the service stops: there is a next time.
      if (error instanceof Fault && error.code !== 'INTERNAL') return;
      throw error;
    }
  }

  /** A task of its own: the arrays may take their time. */
  #recover(replication: ReplicationRecord): void {
    const control = this.#control;
    const { id } = replication;
    if (control.replicationTurns.isTaken(id) || !this.#isReachable(replication)) return;
    control.tasks.start('replication.recover', subjectOf(replication), (_report, signal) =>
      control.replicationTurns.run(id, () => recoverLinks(control, id, signal)),
    );
  }

  async #look(all: readonly ReplicationRecord[]): Promise<void> {
    const control = this.#control;
    const call = { signal: this.#abort.signal, progress: () => undefined };
    await forEachOf(all, LINKS_AT_ONCE, async (replication) => {
      try {
        if (isInterrupted(replication)) this.#recover(replication);
        else if (replication.mode === 'array') await watchLinks(control, replication.id);
        else if (isOldSourceBack(control, replication)) {
          const { id } = replication;
          await control.replicationTurns.run(id, async () => {
            if (isOldSourceBack(control, current(control.catalog, id))) {
              await lookForDivergence(control, id, call);
            }
          });
        }
      } catch (error) {
        // Somebody still has the old source for writing: there is a next look.
        const isWritten = error instanceof Fault && error.code === 'IN_USE';
        if (!isWritten && !this.#abort.signal.aborted) this.#failed(error);
      }
    });
  }
}

function isDue(replication: ReplicationRecord, now: number): boolean {
  const { paused, failover, isRunning, nextAt } = replication;
  if (paused || failover !== 'none' || isInterrupted(replication)) return false;
  return isRunning || (nextAt !== undefined && nextAt <= now);
}

/** After a forced failover, and nobody has looked at it yet. */
function isOldSourceBack({ storage }: Control, replication: ReplicationRecord): boolean {
  const { failover, diverged, repositories } = replication;
  if (failover !== 'forced' || diverged !== undefined) return false;
  return storage.isAttached(repositories[targetSide(replication)]);
}
