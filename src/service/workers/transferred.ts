/**
 * What clients of a worker read and wrote, by export: differences of the counters that each connection has, told to
 * the control thread from time to time. No request does anything for it.
 */
import type { ConnectionInfo } from '../../nbd/index.ts';

export interface Transfer {
  readonly bytesRead: number;
  readonly bytesWritten: number;
  readonly readRequests: number;
  readonly writeRequests: number;
}

export type Transfers = readonly (readonly [exportName: string, Transfer])[];

type Counted = Pick<ConnectionInfo, 'id' | 'exportName' | 'counters'>;

const NOTHING: Transfer = { bytesRead: 0, bytesWritten: 0, readRequests: 0, writeRequests: 0 };

export class TransferWatch {
  /** What was taken of each open connection, by its id. */
  readonly #taken = new Map<number, Transfer>();
  /** Of those that have closed, and were not told yet. */
  #closed = new Map<string, Transfer>();

  /** @returns what passed since the last call; nothing of exports where nothing did */
  take(connections: Iterable<Counted>): Transfers {
    const passed = this.#closed;
    this.#closed = new Map();
    for (const connection of connections) this.#add(passed, connection);
    return [...passed];
  }

  /** A connection has closed: what it did since it was looked at is told with the rest. */
  closed(connection: Counted): void {
    this.#add(this.#closed, connection);
    this.#taken.delete(connection.id);
  }

  #add(passed: Map<string, Transfer>, { id, exportName, counters }: Counted): void {
    if (exportName === undefined) return;
    const { bytesRead, bytesWritten, reads, writes } = counters;
    const now = { bytesRead, bytesWritten, readRequests: reads, writeRequests: writes };
    const since = difference(this.#taken.get(id) ?? NOTHING, now);
    this.#taken.set(id, now);
    if (Object.values(since).every((value) => value === 0)) return;
    passed.set(exportName, sum(passed.get(exportName) ?? NOTHING, since));
  }
}

/** A read that failed is taken back (nbd/pending.ts): never below nothing. */
function difference(before: Transfer, now: Transfer): Transfer {
  return {
    bytesRead: Math.max(0, now.bytesRead - before.bytesRead),
    bytesWritten: Math.max(0, now.bytesWritten - before.bytesWritten),
    readRequests: now.readRequests - before.readRequests,
    writeRequests: now.writeRequests - before.writeRequests,
  };
}

export function sum(a: Transfer, b: Transfer): Transfer {
  return {
    bytesRead: a.bytesRead + b.bytesRead,
    bytesWritten: a.bytesWritten + b.bytesWritten,
    readRequests: a.readRequests + b.readRequests,
    writeRequests: a.writeRequests + b.writeRequests,
  };
}
