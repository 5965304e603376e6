/** The sessions of a thread: several LUNs behind one portal of one target share one. */
import { randomBytes } from 'node:crypto';
import type { Isid } from '../wire/index.ts';
import { type ChapCredentials, OwnChallenges } from './chap.ts';
import { type Portal, portalText } from './portal.ts';
import { type IscsiLog, Session } from './session.ts';
import type { Timers } from './timers.ts';

/** What makes two sessions the same. */
export interface SessionWishes {
  readonly targetName: string;
  readonly initiatorName: string;
  readonly chap: ChapCredentials | undefined;
  readonly headerDigest: boolean;
  readonly dataDigest: boolean;
  readonly commandMs: number;
}

interface Shared {
  readonly session: Session;
  uses: number;
}

export class SessionPool {
  readonly challenges = new OwnChallenges();
  readonly #sessions = new Map<string, Shared>();
  readonly #timers: Timers;
  readonly #log: IscsiLog;

  constructor(timers: Timers, log: IscsiLog) {
    this.#timers = timers;
    this.#log = log;
  }

  /** `release` it as often as it was acquired. */
  acquire(
    portal: Portal,
    wishes: SessionWishes,
  ): { readonly session: Session; release(): Promise<void> } {
    const key = JSON.stringify([portalText(portal), wishes]);
    let shared = this.#sessions.get(key);
    if (shared === undefined) {
      const session = new Session({
        ...wishes,
        portal,
        isid: randomIsid(),
        timers: this.#timers,
        log: this.#log,
        challenges: this.challenges,
      });
      shared = { session, uses: 0 };
      this.#sessions.set(key, shared);
    }
    const mine = shared;
    mine.uses += 1;
    let released: Promise<void> | undefined;
    const release = async (): Promise<void> => {
      mine.uses -= 1;
      if (mine.uses > 0) return;
      this.#sessions.delete(key);
      await mine.session.close();
    };
    return {
      session: mine.session,
      release: () => {
        released ??= release();
        return released;
      },
    };
  }

  /** Ends every session, whoever uses it. */
  async close(): Promise<void> {
    const sessions = [...this.#sessions.values()];
    this.#sessions.clear();
    await Promise.all(sessions.map(({ session }) => session.close()));
  }
}

/** Type 10b, "random" (10.1.2): several threads of one initiator must not push each other out. */
export function randomIsid(): Isid {
  const bytes = randomBytes(5);
  return { high: 0x8000 | bytes.readUInt8(0), low: bytes.readUInt32BE(1) };
}
