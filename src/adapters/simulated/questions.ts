/**
 * What a worker's data port asks the control port of its array. Plain data and shared memory; checked on arrival,
 * as everything is that comes from another thread.
 */
export type Question =
  | {
      readonly ask: 'open';
      readonly object: string;
      readonly write: boolean;
      readonly initiator: string;
      readonly chap: { readonly user: string; readonly password: string } | undefined;
    }
  /** Pages that must be writable in place. */
  | {
      readonly ask: 'allocate';
      readonly session: number;
      readonly first: number;
      readonly count: number;
    }
  /** Pages that read as zeroes from now on. */
  | {
      readonly ask: 'free';
      readonly session: number;
      readonly first: number;
      readonly count: number;
    }
  | { readonly ask: 'chunk'; readonly session: number; readonly index: number }
  | { readonly ask: 'close'; readonly session: number };

export interface OpenAnswer {
  readonly session: number;
  /** One word, not 0 once the session was ended from the array's side. */
  readonly state: SharedArrayBuffer;
  readonly table: SharedArrayBuffer;
  /** Bytes. */
  readonly size: number;
}

const isCount = (value: unknown): value is number =>
  Number.isSafeInteger(value) && Number(value) >= 0;

/** undefined: not a question. */
export function questionOf(value: unknown): Question | undefined {
  if (typeof value !== 'object' || value === null) return undefined;
  const { ask, object, write, initiator, chap, session, first, count, index } = value as Record<
    string,
    unknown
  >;
  if (ask === 'open') {
    if (typeof object !== 'string' || typeof write !== 'boolean' || typeof initiator !== 'string') {
      return undefined;
    }
    return { ask, object, write, initiator, chap: chapOf(chap) };
  }
  if (!isCount(session)) return undefined;
  if (ask === 'close') return { ask, session };
  if (ask === 'chunk' && isCount(index)) return { ask, session, index };
  if ((ask === 'allocate' || ask === 'free') && isCount(first) && isCount(count)) {
    return { ask, session, first, count };
  }
  return undefined;
}

function chapOf(value: unknown): { user: string; password: string } | undefined {
  const { user, password } = (value ?? {}) as Record<string, unknown>;
  return typeof user === 'string' && typeof password === 'string' ? { user, password } : undefined;
}
