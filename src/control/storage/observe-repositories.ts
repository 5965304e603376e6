/**
 * What happens to repositories by itself: those that are to be attached are, again and again until they can be; and
 * each is asked for its space from time to time, which also shows whether it still answers.
 */
import type { RepositoryRecord } from '../catalog/storage/records.ts';
import type { Control, RecordEvent } from '../control.ts';
import { ATTACH_RETRY_FIRST_MS, ATTACH_RETRY_LONGEST_MS, SPACE_EVERY_MS } from '../limits.ts';
import { attachNow, markUnreachable } from './attach.ts';
import { repositorySubject } from './names.ts';
import { settleStorage } from './settle-storage.ts';
import { inTurn } from './turns.ts';
import { levelOf, usedPercent } from './watermarks.ts';
import { withoutSecrets } from './without-secrets.ts';

interface Retry {
  readonly at: number;
  readonly afterMs: number;
}

export class RepositoryObserver {
  readonly #control: Control;
  readonly #abort = new AbortController();
  readonly #retries = new Map<string, Retry>();
  readonly #measuredAt = new Map<string, number>();
  /** One thing at a time for each; a repository that hangs keeps no other waiting. */
  readonly #busy = new Map<string, Promise<void>>();

  constructor(control: Control) {
    this.#control = control;
  }

  /** Called by the service's ticker. Returns at once; what is begun tells its failures itself. */
  observe(now: number): void {
    if (this.#abort.signal.aborted) return;
    for (const repository of this.#control.catalog.repositories.all()) {
      const { id, state } = repository;
      if (state === 'detached' || this.#busy.has(id)) continue;
      // Somebody is at it: to wait for them would keep the service from stopping.
      if (this.#isBeingAttached(repository)) continue;
      const work = this.#control.storage.isAttached(id)
        ? this.#isToBeMeasured(id, now) && (() => this.#measure(id, now))
        : this.#isToBeAttached(id, now) && (() => this.#attach(id, now));
      if (work !== false) this.#begin(id, work);
    }
  }

  #begin(id: string, work: () => Promise<void>): void {
    const busy = work()
      // The catalog could not be written; the next look tries again.
      .catch(() => undefined)
      .finally(() => this.#busy.delete(id));
    this.#busy.set(id, busy);
  }

  #isBeingAttached({ name }: RepositoryRecord): boolean {
    const { tasks } = this.#control;
    const subject = repositorySubject(name);
    return ['repository.create', 'repository.attach'].some((kind) =>
      tasks.isRunning(kind, subject),
    );
  }

  #isToBeAttached(id: string, now: number): boolean {
    return now >= (this.#retries.get(id)?.at ?? 0);
  }

  #isToBeMeasured(id: string, now: number): boolean {
    const at = this.#measuredAt.get(id);
    if (at === undefined || now - at >= SPACE_EVERY_MS) return true;
    const known = this.#control.spaces.get(id);
    return known !== undefined && known.deviceSize !== this.#control.storage.deviceSize(id);
  }

  async #attach(id: string, now: number): Promise<void> {
    const control = this.#control;
    const { signal } = this.#abort;
    try {
      await inTurn(control, [id], async () => {
        // Somebody may have been faster, or have changed their mind.
        const repository = control.catalog.repositories.byId(id);
        if (repository === undefined || repository.state === 'detached') return;
        if (control.storage.isAttached(id)) return;
        await attachNow(control, id, { create: false, takeOver: false }, signal);
      });
      this.#retries.delete(id);
    } catch (error) {
      if (signal.aborted) return;
      const before = this.#retries.get(id)?.afterMs ?? ATTACH_RETRY_FIRST_MS / 2;
      const afterMs = Math.min(before * 2, ATTACH_RETRY_LONGEST_MS);
      this.#retries.set(id, { at: now + afterMs, afterMs });
      markUnreachable(control, id, error);
    }
  }

  async #measure(id: string, now: number): Promise<void> {
    this.#measuredAt.set(id, now);
    try {
      await measureSpace(this.#control, id);
      await settleStorage(this.#control, id);
    } catch (error) {
      if (this.#abort.signal.aborted || !this.#control.storage.isAttached(id)) return;
      markUnreachable(this.#control, id, error);
    }
  }

  /** Settles when what is under way is done. */
  async settled(): Promise<void> {
    await Promise.all(this.#busy.values());
  }

  async close(): Promise<void> {
    this.#abort.abort();
    await this.settled();
  }
}

/**
 * Asks for the space, keeps it, and tells when it has crossed a mark, or answers again. Space that the array cannot tell
 * crosses no mark: what was known of it is forgotten.
 * @throws Fault what Storage.space throws
 */
export async function measureSpace(control: Control, repositoryId: string): Promise<void> {
  const secrets = control.catalog.secrets.of(repositoryId);
  // Before the space: when it grows meanwhile, the next look finds another one.
  const deviceSize = control.storage.deviceSize(repositoryId);
  const space = await withoutSecrets(secrets, () => control.storage.space(repositoryId));
  control.change((record) => {
    const before = control.catalog.repositories.byId(repositoryId);
    if (before === undefined) return;
    const sizeBefore = control.spaces.get(repositoryId)?.deviceSize;
    const measuredAt = control.clock.now();
    if (space === undefined) control.spaces.delete(repositoryId);
    else control.spaces.set(repositoryId, { ...space, measuredAt, deviceSize });
    keepResized(control, record, before, { before: sizeBefore, now: deviceSize });
    const percent = space === undefined ? undefined : usedPercent(space);
    const spaceLevel =
      percent === undefined ? 'normal' : levelOf(before.spaceLevel, percent, before);
    const answersAgain = before.state === 'unreachable';
    if (spaceLevel === before.spaceLevel && !answersAgain) return;
    const after: RepositoryRecord = {
      ...(control.catalog.repositories.byId(repositoryId) ?? before),
      spaceLevel,
      ...(answersAgain ? { state: 'attached', reason: undefined } : {}),
    };
    control.catalog.repositories.update(after);
    const subject = repositorySubject(before.name);
    if (answersAgain) {
      const message = `repository ${before.name} answers again`;
      record({ kind: 'repository.attached', subject, message });
    }
    if (spaceLevel === before.spaceLevel) return;
    record({
      kind: `repository.space-${spaceLevel}`,
      subject,
      message:
        percent === undefined
          ? `the space of repository ${before.name} is unknown`
          : `${percent} % of repository ${before.name} is in use`,
      data: { ...space, usedPercent: percent ?? null, before: before.spaceLevel },
    });
  });
}

/** The device that carries the repository has another size than at the last look: so have its limits. */
function keepResized(
  control: Control,
  record: RecordEvent,
  repository: RepositoryRecord,
  size: { readonly before: number | undefined; readonly now: number | undefined },
): void {
  const { before, now } = size;
  if (before === undefined || now === undefined || before === now) return;
  const { id, name } = repository;
  if (control.storage.isAttached(id)) {
    control.catalog.repositories.update({ ...repository, info: control.storage.info(id) });
  }
  const grown = now > before;
  record({
    kind: grown ? 'repository.grown' : 'repository.shrunk',
    subject: repositorySubject(name),
    message: grown
      ? `the device of repository ${name} has grown from ${before} to ${now} bytes, and is used so`
      : `the device of repository ${name} has become smaller: ${now} bytes, it had ${before}; what lies beyond cannot be reached`,
    data: { before, size: now },
  });
}
