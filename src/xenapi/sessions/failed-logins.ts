/** Counts failed logins by address and name, and says when one is worth an event. */
import { FAILED_LOGIN_TOLD_EVERY_MS, MAX_FAILED_LOGINS_COUNTED } from './limits.ts';
import type { LoginAttempt } from './login-turns.ts';

export interface FailedLogin {
  readonly address: string;
  /** undefined: no user has it; it may be a password that was typed into the wrong field. */
  readonly name: string | undefined;
  /** Of this name from this address, since one succeeded. */
  readonly failures: number;
  /** Of any name and address, since the last event. */
  readonly untold: number;
}

export class FailedLogins {
  /** By address and name, the one unseen for longest first. */
  readonly #counts = new Map<string, number>();
  #untold = 0;
  #toldAt = Number.NEGATIVE_INFINITY;

  /** @returns what an event should say; undefined: nothing now */
  note(attempt: LoginAttempt, isUser: boolean, now: number): FailedLogin | undefined {
    const key = keyOf(attempt, isUser);
    const failures = (this.#counts.get(key) ?? 0) + 1;
    this.#counts.delete(key);
    this.#counts.set(key, failures);
    for (const [oldest] of this.#counts) {
      if (this.#counts.size <= MAX_FAILED_LOGINS_COUNTED) break;
      this.#counts.delete(oldest);
    }
    this.#untold += 1;
    if (now - this.#toldAt < FAILED_LOGIN_TOLD_EVERY_MS) return undefined;
    const { address, name } = attempt;
    const told = { address, name: isUser ? name : undefined, failures, untold: this.#untold };
    this.#toldAt = now;
    this.#untold = 0;
    return told;
  }

  succeeded(attempt: LoginAttempt): void {
    this.#counts.delete(keyOf(attempt, true));
  }
}

function keyOf({ address, name }: LoginAttempt, isUser: boolean): string {
  return JSON.stringify(isUser ? [address, name] : [address]);
}
