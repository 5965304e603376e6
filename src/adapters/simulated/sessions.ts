/** Who has what open. A session is ended by one word of shared memory, which the worker looks at with every request. */
import type { PageTable } from './page-table.ts';

export interface Session {
  readonly number: number;
  readonly object: string;
  readonly initiator: string;
  readonly write: boolean;
  readonly table: PageTable;
  readonly state: SharedArrayBuffer;
}

export class Sessions {
  readonly #open = new Map<number, Session>();
  #count = 0;

  begin(wanted: Omit<Session, 'number' | 'state'>): Session {
    this.#count += 1;
    const session = { ...wanted, number: this.#count, state: new SharedArrayBuffer(4) };
    this.#open.set(session.number, session);
    return session;
  }

  get(number: number): Session | undefined {
    return this.#open.get(number);
  }

  of(object: string): Session[] {
    return [...this.#open.values()].filter((session) => session.object === object);
  }

  ofInitiators(initiators: readonly string[]): Session[] {
    return [...this.#open.values()].filter(({ initiator }) => initiators.includes(initiator));
  }

  /** When this returns nothing of the session changes anything any more. */
  end(session: Session): void {
    if (!this.#open.delete(session.number)) return;
    Atomics.store(new Int32Array(session.state), 0, 1);
    session.table.close(); // waits for who is inside
    session.table.open();
  }

  endAll(): void {
    for (const session of [...this.#open.values()]) this.end(session);
  }
}
