/** The login phase of the tests' small target: operational keys, CHAP one-way and mutual. */
import { createHash, randomBytes } from 'node:crypto';

export interface LoginScript {
  chap?: { user: string; password: string; outgoing?: { user: string; password: string } };
  /** Challenge to send instead of a random one. */
  challenge?: () => Buffer;
  /** CHAP hashes that it knows. */
  algorithms?: Readonly<Record<string, string>>;
  /** Operational answers that differ. */
  keys?: Readonly<Record<string, string>>;
}

export const DEFAULT_KEYS: Readonly<Record<string, string>> = {
  InitialR2T: 'No',
  ImmediateData: 'Yes',
  MaxRecvDataSegmentLength: '8192',
  FirstBurstLength: '32768',
  MaxBurstLength: '65536',
  MaxOutstandingR2T: '1',
  DefaultTime2Wait: '0',
  DefaultTime2Retain: '0',
  ErrorRecoveryLevel: '0',
  MaxConnections: '1',
  DataPDUInOrder: 'Yes',
  DataSequenceInOrder: 'Yes',
};

export class TargetLogin {
  readonly #script: () => LoginScript;
  readonly #keys = new Map<string, string>(Object.entries(DEFAULT_KEYS));
  #challenge: Buffer = Buffer.alloc(0);
  #algorithm = '5';
  authenticated = false;

  constructor(script: () => LoginScript) {
    this.#script = script;
  }

  has(key: string, value: string): boolean {
    return this.#keys.get(key) === value;
  }

  answer(key: string, value: string): string {
    const forced = this.#script().keys?.[key];
    const answer =
      forced ?? (key.endsWith('Digest') ? value : (DEFAULT_KEYS[key] ?? 'NotUnderstood'));
    this.#keys.set(key, answer);
    return answer;
  }

  authenticate(
    chap: NonNullable<LoginScript['chap']>,
    asked: ReadonlyMap<string, string>,
    answers: [string, string][],
  ): number {
    const algorithms = this.#script().algorithms ?? { '7': 'sha256', '5': 'md5' };
    if (asked.has('AuthMethod')) {
      if (asked.get('AuthMethod')?.split(',').includes('CHAP') !== true) return 0x0201;
      answers.push(['AuthMethod', 'CHAP']);
      return 0;
    }
    const offered = asked.get('CHAP_A');
    if (offered !== undefined) {
      const chosen = offered.split(',').find((number) => algorithms[number] !== undefined);
      if (chosen === undefined) return 0x0201;
      this.#algorithm = chosen;
      this.#challenge = this.#script().challenge?.() ?? randomBytes(16);
      answers.push(['CHAP_A', chosen], ['CHAP_I', '7']);
      answers.push(['CHAP_C', `0x${this.#challenge.toString('hex')}`]);
      return 0;
    }
    const response = asked.get('CHAP_R');
    if (response === undefined) return 0;
    const hash = (id: number, password: string, challenge: Buffer): string =>
      `0x${createHash(algorithms[this.#algorithm] ?? 'md5')
        .update(Buffer.concat([Buffer.of(id), Buffer.from(password), challenge]))
        .digest('hex')}`;
    const known = asked.get('CHAP_N') === chap.user;
    if (!known || response !== hash(7, chap.password, this.#challenge)) return 0x0201;
    this.authenticated = true;
    const challenge = asked.get('CHAP_C');
    if (challenge !== undefined && chap.outgoing !== undefined) {
      const theirs = Buffer.from(challenge.slice(2), 'hex');
      answers.push(['CHAP_N', chap.outgoing.user]);
      answers.push(['CHAP_R', hash(Number(asked.get('CHAP_I')), chap.outgoing.password, theirs)]);
    }
    return 0;
  }
}
