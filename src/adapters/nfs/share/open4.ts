/**
 * Files opened by NFSv4.0 (RFC 7530, section 9). Each has an owner of its own, so that the sequence of its calls is our
 * own business: when the answer to one is lost, or the server does not like the number, another owner starts at nothing.
 */
import { RpcFailure } from '../rpc/failure.ts';
import type { FoundFile } from '../wire/attributes.ts';
import { DATA4, type DataTemplates } from '../wire/data.ts';
import { NFS_PROGRAM } from '../wire/nfs3.ts';
import {
  ANONYMOUS_STATE,
  close,
  type Opened,
  open,
  openConfirm,
  readHandle,
  readOpen,
  readStateId,
  STATUS4,
} from '../wire/nfs4.ts';
import { FILE_ATTRIBUTES, readFileAttributes } from '../wire/nfs4-attributes.ts';
import {
  Compound,
  NFS4_CLOSE,
  NFS4_COMMIT,
  NFS4_COMPOUND,
  NFS4_GETATTR,
  NFS4_GETFH,
  NFS4_OPEN,
  NFS4_OPEN_CONFIRM,
  NFS4_PUTFH,
  NFS4_READ,
  NFS4_VERSION,
  NFS4_WRITE,
  type OperationStep,
  readOperations,
} from '../wire/nfs4-compound.ts';
import { callTemplate, type SystemCredential } from '../wire/rpc-message.ts';
import { XdrWriter } from '../wire/xdr.ts';
import type { AskCompound, CompoundOptions } from './compound-call.ts';
import { NfsError } from './nfs-error.ts';
import type { OpenHandle } from './share.ts';

/** What opening stands on. */
export interface Opening {
  readonly ask: AskCompound;
  readonly client: Buffer;
  readonly folder: Buffer;
  readonly credential: SystemCredential;
  /** Never the same twice. */
  newOwner(): Buffer;
}

export interface OpenResult {
  readonly found: FoundFile;
  readonly stateId: Buffer;
  /** Of the owner's next call. */
  readonly sequence: number;
}

interface OpenWish {
  readonly write: boolean;
  readonly createVerifier?: Buffer;
  /** Or, of a file that was open before the server restarted, its handle. */
  readonly name?: string;
  readonly reclaim?: Buffer;
}

/** @throws NfsError; RpcFailure (`lost`: open again) */
export async function openFile(
  { ask, client, folder, newOwner }: Opening,
  wish: OpenWish,
  urgent: boolean,
): Promise<OpenResult> {
  const how: CompoundOptions = { repeatable: false, urgent };
  const compound = new Compound().file(wish.reclaim ?? folder);
  const owner = newOwner();
  const { write, createVerifier, name } = wish;
  const verifier = createVerifier === undefined ? {} : { createVerifier };
  open(compound, { sequence: 0, client, owner, write, name, ...verifier });
  compound.handle().attributes(FILE_ATTRIBUTES);
  const { status, value } = await ask(
    compound,
    (reader) => {
      const got: { opened?: Opened; handle?: Buffer; found?: FoundFile } = {};
      const steps: OperationStep[] = [
        [NFS4_PUTFH],
        [NFS4_OPEN, (results) => (got.opened = readOpen(results))],
        [NFS4_GETFH, (results) => (got.handle = readHandle(results))],
        [
          NFS4_GETATTR,
          (results) => {
            const attributes = readFileAttributes(results);
            if (got.handle !== undefined) got.found = { handle: got.handle, attributes };
          },
        ],
      ];
      return { status: readOperations(reader, steps), value: got };
    },
    how,
  );
  const what = `OPEN of ${name ?? 'a file that was open'}`;
  const opened = value?.opened;
  const found = value?.found;
  if (status !== 0 || opened === undefined || found === undefined) throw new NfsError(status, what);
  if (!opened.confirm) return { found, stateId: opened.stateId, sequence: 1 };
  const stateId = await confirmOpen(ask, found.handle, opened.stateId, how);
  return { found, stateId, sequence: 2 };
}

/** The server has not seen this owner before (section 16.18). */
async function confirmOpen(
  ask: AskCompound,
  handle: Buffer,
  stateId: Buffer,
  how: CompoundOptions,
): Promise<Buffer> {
  const compound = new Compound().file(handle);
  openConfirm(compound, stateId, 1);
  const { status, value } = await ask(
    compound,
    (reader) => {
      const got: { stateId?: Buffer } = {};
      const steps: OperationStep[] = [
        [NFS4_PUTFH],
        [NFS4_OPEN_CONFIRM, (results) => (got.stateId = readStateId(results))],
      ];
      return { status: readOperations(reader, steps), value: got.stateId };
    },
    how,
  );
  if (status !== 0 || value === undefined) throw new NfsError(status, 'OPEN_CONFIRM');
  return value;
}

/** Fails silently: what is left open ends with the lease. */
export async function closeFile(
  ask: AskCompound,
  handle: Buffer,
  state: { readonly stateId: Buffer; readonly sequence: number },
): Promise<void> {
  const compound = new Compound().file(handle);
  close(compound, state.stateId, state.sequence);
  const read = (reader: Parameters<typeof readOperations>[0]) => ({
    status: readOperations(reader, [[NFS4_PUTFH], [NFS4_CLOSE]]),
    value: true,
  });
  try {
    await ask(compound, read, { repeatable: false });
  } catch (error) {
    if (!(error instanceof RpcFailure)) throw error;
  }
}

/** A file of the data path: keeps what it takes to open it again. */
export class OpenFile4 implements OpenHandle {
  readonly codec = DATA4;
  readonly handle: Buffer;
  templates: DataTemplates;
  broken: Error | undefined;
  readonly #name: string;
  readonly #fileId: string;
  readonly #write: boolean;
  readonly #credential: SystemCredential;
  readonly #onClose: (file: OpenFile4) => Promise<void>;
  #state: OpenResult;

  constructor(
    name: string,
    write: boolean,
    credential: SystemCredential,
    state: OpenResult,
    onClose: (file: OpenFile4) => Promise<void>,
  ) {
    this.#name = name;
    this.#write = write;
    this.#credential = credential;
    this.#state = state;
    this.#onClose = onClose;
    this.handle = state.found.handle;
    this.#fileId = state.found.attributes.fileId;
    this.templates = this.#makeTemplates();
  }

  get state(): { readonly stateId: Buffer; readonly sequence: number } {
    return this.#state;
  }

  /**
   * In recovery: opens it again.
   * @param restarted the server may have, and then gives what we had back in its grace period
   * @throws RpcFailure
   */
  async reopen(opening: Opening, restarted: boolean): Promise<void> {
    try {
      const state = restarted
        ? await this.#reclaim(opening)
        : await openFile(opening, { write: this.#write, name: this.#name }, true);
      if (state.found.attributes.fileId !== this.#fileId) {
        this.broken = new NfsError(STATUS4.STALE, `${this.#name} is another file now`);
        return;
      }
      this.#state = state;
      this.templates = this.#makeTemplates();
    } catch (error) {
      if (!(error instanceof NfsError)) throw error;
      this.broken = error;
    }
  }

  close(): Promise<void> {
    return this.#onClose(this);
  }

  async #reclaim(opening: Opening): Promise<OpenResult> {
    try {
      return await openFile(opening, { write: this.#write, reclaim: this.handle }, true);
    } catch (error) {
      // No grace period, or it is over: it may be opened as if for the first time.
      if (!(error instanceof NfsError)) throw error;
      return openFile(opening, { write: this.#write, name: this.#name }, true);
    }
  }

  #makeTemplates(): DataTemplates {
    const head = callTemplate(NFS_PROGRAM, NFS4_VERSION, NFS4_COMPOUND, this.#credential);
    const of = (operation: number, stateId: Buffer | undefined): Buffer => {
      const compound = new XdrWriter().u32(0).u32(0).u32(2);
      compound.u32(NFS4_PUTFH).opaque(this.handle).u32(operation);
      if (stateId !== undefined) compound.fixed(stateId);
      return Buffer.concat([head, compound.bytes()]);
    };
    const { stateId } = this.#state;
    return {
      read: of(NFS4_READ, stateId),
      write: of(NFS4_WRITE, this.#write ? stateId : ANONYMOUS_STATE),
      commit: of(NFS4_COMMIT, undefined),
    };
  }
}
