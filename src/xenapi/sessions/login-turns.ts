/**
 * How fast passwords can be tried: a login that fails is answered late (as xapi does it), and only so many may be
 * under way at once, so that trying many at once gains nothing. Who comes beyond that is refused without being
 * looked at. It says nothing of which names there are: those that are not are treated alike.
 */
import {
  FAILED_LOGIN_DELAY_MS,
  MAX_LOGINS_AT_ONCE,
  MAX_LOGINS_PER_ADDRESS,
  MAX_LOGINS_PER_NAME,
} from './limits.ts';

export interface LoginAttempt {
  readonly name: string;
  /** Where it comes from. */
  readonly address: string;
}

export class LoginTurns {
  readonly #sleep: (ms: number) => Promise<void>;
  /** Under way, by address and by address and name. */
  readonly #counts = new Map<string, number>();
  #all = 0;

  constructor(sleep: (ms: number) => Promise<void>) {
    this.#sleep = sleep;
  }

  /**
   * @param check undefined, or a throw: it fails
   * @returns `refused`: too many are under way, it was not checked
   */
  async take<T>(
    { name, address }: LoginAttempt,
    check: () => Promise<T | undefined>,
  ): Promise<T | undefined | 'refused'> {
    const ofName = JSON.stringify([address, name]);
    const isFull =
      this.#all >= MAX_LOGINS_AT_ONCE ||
      this.#count(address) >= MAX_LOGINS_PER_ADDRESS ||
      this.#count(ofName) >= MAX_LOGINS_PER_NAME;
    if (isFull) return 'refused';
    this.#add([address, ofName], 1);
    let isLate = true;
    try {
      const result = await check();
      isLate = result === undefined;
      return result;
    } finally {
      if (isLate) await this.#sleep(FAILED_LOGIN_DELAY_MS);
      this.#add([address, ofName], -1);
    }
  }

  #count(key: string): number {
    return this.#counts.get(key) ?? 0;
  }

  #add(keys: readonly string[], more: number): void {
    this.#all += more;
    for (const key of keys) {
      const count = this.#count(key) + more;
      if (count === 0) this.#counts.delete(key);
      else this.#counts.set(key, count);
    }
  }
}
