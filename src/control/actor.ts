/**
 * Who is behind what happens: every event and every task carries it, so that the audit is written where
 * the change is, and no operation can forget it. It follows a request through everything that the
 * request waits for, and into the task that it starts.
 */
import { AsyncLocalStorage } from 'node:async_hooks';

/** What happens by itself. */
export const SERVICE_ACTOR = 'service';

const actors = new AsyncLocalStorage<string>();

/** Everything that `work` does, also later, is done by `actor`. */
export function actingAs<T>(actor: string, work: () => T): T {
  return actors.run(actor, work);
}

export function currentActor(): string {
  return actors.getStore() ?? SERVICE_ACTOR;
}
