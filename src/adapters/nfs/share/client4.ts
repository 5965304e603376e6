/**
 * Who we are to a server of NFSv4.0, and that we are alive (RFC 7530, sections 9.1 and 9.6): SETCLIENTID and its
 * confirmation, and a RENEW three times in each lease.
 */
import { LEASE_S } from '../limits.ts';
import type { Time } from '../rpc/time.ts';
import { type ClientId, confirmClientId, readClientId, renew, setClientId } from '../wire/nfs4.ts';
import {
  Compound,
  NFS4_RENEW,
  NFS4_SETCLIENTID,
  NFS4_SETCLIENTID_CONFIRM,
  readOperations,
} from '../wire/nfs4-compound.ts';
import type { AskCompound } from './compound-call.ts';
import { NfsError } from './nfs-error.ts';

export class Client4 {
  readonly #ask: AskCompound;
  readonly #time: Time;
  readonly #name: string;
  readonly #verifier: Buffer;
  #id: Buffer | undefined;
  #leaseMs = LEASE_S * 1000;
  #cancel: (() => void) | undefined;
  #renewing = false;

  constructor(ask: AskCompound, time: Time, name: string, verifier: Buffer) {
    this.#ask = ask;
    this.#time = time;
    this.#name = name;
    this.#verifier = verifier;
  }

  /** undefined: the server does not know us yet. */
  get id(): Buffer | undefined {
    return this.#id;
  }

  set leaseSeconds(seconds: number) {
    if (seconds > 0) this.#leaseMs = seconds * 1000;
  }

  /**
   * In recovery: the server knows us and our state afterwards, or it knows us anew.
   * @returns whether it has no state of ours
   */
  async renewOrIntroduce(): Promise<boolean> {
    if (this.#id !== undefined && (await this.#renew(this.#id, true)) === 0) return false;
    await this.#introduce();
    return true;
  }

  /** Renews the lease from now on. @param onLost the server does not know us any more */
  keep(onLost: () => void): void {
    if (this.#renewing) return;
    this.#renewing = true;
    const next = (): void => {
      this.#cancel = this.#time.after(this.#leaseMs / 3, () => {
        if (this.#id === undefined) return next();
        this.#renew(this.#id, false).then(
          (status) => {
            if (!this.#renewing) return;
            if (status !== 0) onLost();
            next();
          },
          () => (this.#renewing ? next() : undefined), // no answer: the connection is being made anew
        );
      });
    };
    next();
  }

  close(): void {
    this.#renewing = false;
    this.#cancel?.();
  }

  async #renew(id: Buffer, urgent: boolean): Promise<number> {
    const compound = new Compound();
    renew(compound, id);
    const { status } = await this.#ask(
      compound,
      (reader) => ({ status: readOperations(reader, [[NFS4_RENEW]]), value: true }),
      { repeatable: !urgent, urgent },
    );
    return status;
  }

  async #introduce(): Promise<void> {
    const how = { repeatable: false, urgent: true };
    const introduce = new Compound();
    setClientId(introduce, this.#verifier, this.#name);
    const { status, value } = await this.#ask(
      introduce,
      (reader) => {
        let client: ClientId | undefined;
        const step = (results: typeof reader) => {
          client = readClientId(results);
        };
        return { status: readOperations(reader, [[NFS4_SETCLIENTID, step]]), value: client };
      },
      how,
    );
    if (status !== 0 || value === undefined) throw new NfsError(status, 'SETCLIENTID');
    const confirm = new Compound();
    confirmClientId(confirm, value);
    const confirmed = await this.#ask(
      confirm,
      (reader) => ({ status: readOperations(reader, [[NFS4_SETCLIENTID_CONFIRM]]), value: true }),
      how,
    );
    if (confirmed.status !== 0) throw new NfsError(confirmed.status, 'SETCLIENTID_CONFIRM');
    this.#id = value.id;
  }
}
