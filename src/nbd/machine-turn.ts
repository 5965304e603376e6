/**
 * Fair turns. A worker serves many machines in one event loop; whoever asks most must not make the
 * others wait. So what the connections of one export may start between two rounds of the loop is
 * limited, in requests and in bytes; who has used that up goes on in the next round, after the others
 * were heard. A single machine never notices: its next round begins at once.
 */
import { TURN_BYTES, TURN_QUIET_BYTES, TURN_QUIET_REQUESTS, TURN_REQUESTS } from './limits.ts';

export class MachineTurn {
  #requests = 0;
  #bytes = 0;
  #ending = false;
  readonly #endOfTurn: (action: () => void) => void;

  /** @param endOfTurn runs the action once all events of this round of the loop were handled */
  constructor(endOfTurn: (action: () => void) => void) {
    this.#endOfTurn = endOfTurn;
  }

  /** Whether a request that will hold `bytes` may still start in this turn. */
  admits(bytes: number): boolean {
    // The first is always admitted, however large.
    const room =
      this.#requests < TURN_REQUESTS && (this.#bytes === 0 || this.#bytes + bytes <= TURN_BYTES);
    if (!room) this.#endLater();
    return room;
  }

  start(bytes: number): void {
    this.#requests += 1;
    this.#bytes += bytes;
    // Few requests may come from several turns as well: they are far from the limit.
    if (this.#requests >= TURN_QUIET_REQUESTS || this.#bytes >= TURN_QUIET_BYTES) this.#endLater();
  }

  #endLater(): void {
    if (this.#ending) return;
    this.#ending = true;
    this.#endOfTurn(this.#end);
  }

  readonly #end = (): void => {
    this.#requests = 0;
    this.#bytes = 0;
    this.#ending = false;
  };
}

/** The turns of the exports that have connections. */
export class MachineTurns {
  readonly #turns = new Map<string, { readonly turn: MachineTurn; connections: number }>();
  readonly #endOfTurn: (action: () => void) => void;

  constructor(endOfTurn: (action: () => void) => void = setImmediate) {
    this.#endOfTurn = endOfTurn;
  }

  /** The turn that a new connection of the export shares with the others. */
  join(exportName: string): MachineTurn {
    const entry = this.#turns.get(exportName) ?? {
      turn: new MachineTurn(this.#endOfTurn),
      connections: 0,
    };
    entry.connections += 1;
    this.#turns.set(exportName, entry);
    return entry.turn;
  }

  leave(exportName: string): void {
    const entry = this.#turns.get(exportName);
    if (entry === undefined) return;
    entry.connections -= 1;
    if (entry.connections === 0) this.#turns.delete(exportName);
  }
}
