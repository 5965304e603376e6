/**
 * Hashing a password takes long and much memory on purpose, and keeps a thread that others wait for: a few at a time,
 * and whoever comes when many wait is refused.
 */
import { Fault } from '../../errors/index.ts';
import { MAX_PASSWORDS_HASHED_AT_ONCE, MAX_PASSWORDS_WAITING } from '../limits.ts';
import { hashPassword, nobodysPassword, verifyPassword } from '../values/password-hash.ts';

export class PasswordTurns {
  #running = 0;
  readonly #waiting: (() => void)[] = [];
  readonly #logCost: number;

  constructor(logCost: number) {
    this.#logCost = logCost;
  }

  /** @throws Fault LIMIT_EXCEEDED */
  hash(password: string): Promise<string> {
    return this.#inTurn(() => hashPassword(password, this.#logCost));
  }

  /**
   * @param kept undefined: there is none, which takes as long as a wrong password
   * @throws Fault LIMIT_EXCEEDED
   */
  verify(password: string, kept: string | undefined): Promise<boolean> {
    return this.#inTurn(async () => {
      const compared = kept ?? nobodysPassword(this.#logCost);
      const matches = await verifyPassword(password, compared);
      return matches && kept !== undefined;
    });
  }

  async #inTurn<T>(work: () => Promise<T>): Promise<T> {
    if (this.#running < MAX_PASSWORDS_HASHED_AT_ONCE) this.#running += 1;
    else await this.#wait();
    try {
      return await work();
    } finally {
      // The turn is handed on, or is free.
      const next = this.#waiting.shift();
      if (next === undefined) this.#running -= 1;
      else next();
    }
  }

  #wait(): Promise<void> {
    if (this.#waiting.length >= MAX_PASSWORDS_WAITING) {
      throw new Fault('LIMIT_EXCEEDED', 'too many passwords are being checked; try again', {
        field: 'password',
        expected: `at most ${MAX_PASSWORDS_WAITING} that wait to be checked`,
      });
    }
    return new Promise((resolve) => this.#waiting.push(resolve));
  }
}
