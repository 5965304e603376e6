/** CHAP (RFC 1994, as RFC 7143 12.1.3 uses it), one-way and mutual. */
import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';
import { CHAP_CHALLENGE_BYTES, CHAP_CHALLENGES_KEPT } from './limits.ts';

export interface ChapCredentials {
  readonly user: string;
  readonly password: string;
  /** Mutual: what the target must prove to know. */
  readonly incoming?: { readonly user: string; readonly password: string };
}

/** By the numbers of CHAP_A, strongest first: SHA-256 (7), MD5 (5). */
const HASHES: ReadonlyMap<string, string> = new Map([
  ['7', 'sha256'],
  ['5', 'md5'],
]);

/** What we offer in CHAP_A. */
export const CHAP_ALGORITHMS = [...HASHES.keys()].join(',');

/** undefined: an algorithm that we did not offer. */
export function chapResponse(
  algorithm: string,
  id: number,
  password: string,
  challenge: Buffer,
): Buffer | undefined {
  const hash = HASHES.get(algorithm);
  if (hash === undefined) return undefined;
  return createHash(hash).update(Buffer.of(id)).update(password).update(challenge).digest();
}

export function sameResponse(a: Buffer, b: Buffer): boolean {
  return a.length === b.length && timingSafeEqual(a, b);
}

/**
 * Challenges of ours that targets may try to send back to us, on this or another connection, to have us answer
 * them ("MUST NOT reuse", 12.1.3). One for each thread; the oldest are forgotten.
 */
export class OwnChallenges {
  readonly #recent = new Set<string>();
  readonly #random: (bytes: number) => Buffer;

  constructor(random: (bytes: number) => Buffer = randomBytes) {
    this.#random = random;
  }

  make(): { readonly id: number; readonly challenge: Buffer } {
    const bytes = this.#random(CHAP_CHALLENGE_BYTES + 1);
    const challenge = bytes.subarray(1);
    this.#recent.add(challenge.toString('hex'));
    const [oldest] = this.#recent;
    if (this.#recent.size > CHAP_CHALLENGES_KEPT && oldest !== undefined) {
      this.#recent.delete(oldest);
    }
    return { id: bytes[0] ?? 0, challenge };
  }

  has(challenge: Buffer): boolean {
    return this.#recent.has(challenge.toString('hex'));
  }
}
