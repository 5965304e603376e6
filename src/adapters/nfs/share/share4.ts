/**
 * A folder of a server by NFSv4.0. The server keeps state for us: who we are (client4.ts) and what we have open
 * (open4.ts). When it has lost it, by a restart or because our lease ran out, `recoverState` makes it anew before
 * anything else is asked.
 */
import { randomBytes } from 'node:crypto';
import { FOLDER_PAGE_BYTES, PATH_DEPTH, STATE_ATTEMPTS } from '../limits.ts';
import { RpcFailure } from '../rpc/failure.ts';
import { PlainCall } from '../rpc/plain-call.ts';
import type {
  FileAttributes,
  FolderEntry,
  FolderPage,
  FoundFile,
  ShareSpace,
  TransferLimits,
} from '../wire/attributes.ts';
import { type Answer, NFS_PROGRAM } from '../wire/nfs3.ts';
import * as operations from '../wire/nfs4.ts';
import { STATUS4 } from '../wire/nfs4.ts';
import {
  FILE_ATTRIBUTES,
  readFileAttributes,
  readShareAttributes,
  SHARE_ATTRIBUTES,
  type ShareAttributes,
} from '../wire/nfs4-attributes.ts';
import * as compounds from '../wire/nfs4-compound.ts';
import { Compound, type OperationStep, readOperations } from '../wire/nfs4-compound.ts';
import { callTemplate } from '../wire/rpc-message.ts';
import { Client4 } from './client4.ts';
import type { AskCompound } from './compound-call.ts';
import { FILE_MODE, untilRenamed } from './folder-rules.ts';
import { isPutOff, isStatus, NFS_STATUS, NfsError } from './nfs-error.ts';
import { closeFile, OpenFile4, type Opening, type OpenResult, openFile } from './open4.ts';
import { RpcShare, type ShareOptions, successOf } from './rpc-share.ts';
import type { NfsShare, OpenHandle, Verdict } from './share.ts';

const NFS4_PORT = 2049;

const LOST_STATE: ReadonlySet<number> = new Set([
  STATUS4.EXPIRED,
  STATUS4.STALE_CLIENTID,
  STATUS4.STALE_STATEID,
  STATUS4.OLD_STATEID,
  STATUS4.BAD_STATEID,
  STATUS4.BAD_SEQID,
  STATUS4.ADMIN_REVOKED,
]);

const REPEATABLE = { repeatable: true };
const ONCE = { repeatable: false };

export class Share4 extends RpcShare implements NfsShare {
  readonly version = 4;
  readonly #template: Buffer;
  readonly #client: Client4;
  readonly #open = new Set<OpenFile4>();
  #folder: Buffer = Buffer.alloc(0);
  #doubt = false;
  #owners = 0;
  #limits: Promise<ShareAttributes> | undefined;

  private constructor(options: ShareOptions) {
    super(options, {
      program: NFS_PROGRAM,
      version: compounds.NFS4_VERSION,
      port: async () => options.port ?? NFS4_PORT,
      recoverState: () => this.#recoverState(),
    });
    const { credential, time, clientName } = options;
    const procedure = compounds.NFS4_COMPOUND;
    this.#template = callTemplate(NFS_PROGRAM, compounds.NFS4_VERSION, procedure, credential);
    this.#client = new Client4(this.#ask, time, clientName, randomBytes(8));
  }

  /** @throws NfsError NOENT, ACCES …; RpcFailure */
  static async mount(options: ShareOptions): Promise<Share4> {
    const share = new Share4(options);
    try {
      share.#folder = await share.#walk(options.path);
      const { leaseSeconds } = await share.#shareAttributes();
      share.#client.leaseSeconds = leaseSeconds;
    } catch (error) {
      await share.close();
      throw error;
    }
    return share;
  }

  async limits(): Promise<TransferLimits> {
    if (this.#limits === undefined) {
      this.#limits = this.#shareAttributes();
      this.#limits.catch(() => {
        this.#limits = undefined; // to be asked again
      });
    }
    return this.#limits;
  }

  space(): Promise<ShareSpace> {
    return this.#shareAttributes();
  }

  async longestName(): Promise<number> {
    return (await this.#shareAttributes()).longestName;
  }

  attributes(handle: Buffer = this.#folder): Promise<FileAttributes> {
    return this.#attributesOf(handle, FILE_ATTRIBUTES, readFileAttributes);
  }

  async access(wanted: number): Promise<number> {
    const compound = new Compound().file(this.#folder);
    operations.access(compound, wanted);
    const got = { granted: 0 };
    const answer = await this.#steps(compound, got, REPEATABLE, [
      [compounds.NFS4_PUTFH],
      [compounds.NFS4_ACCESS, (results) => (got.granted = operations.readAccess(results))],
    ]);
    return successOf(answer, 'ACCESS').granted;
  }

  async lookup(name: string, folder: Buffer = this.#folder): Promise<FoundFile | undefined> {
    const compound = new Compound().file(folder).lookup(name).handle().attributes(FILE_ATTRIBUTES);
    const got: { handle?: Buffer; attributes?: FileAttributes } = {};
    const answer = await this.#steps(compound, got, REPEATABLE, [
      [compounds.NFS4_PUTFH],
      [compounds.NFS4_LOOKUP],
      [compounds.NFS4_GETFH, (results) => (got.handle = operations.readHandle(results))],
      [compounds.NFS4_GETATTR, (results) => (got.attributes = readFileAttributes(results))],
    ]);
    if (answer.status === STATUS4.NOENT) return undefined;
    successOf(answer, `LOOKUP of ${name}`);
    const { handle, attributes } = got;
    return handle === undefined || attributes === undefined ? undefined : { handle, attributes };
  }

  async create(name: string, verifier: Buffer): Promise<FoundFile> {
    const wish = { name, write: true, createVerifier: verifier };
    const { found, ...state } = await this.#openFile(wish);
    const compound = new Compound().file(found.handle);
    operations.setMode(compound, FILE_MODE);
    await this.#set(compound, `SETATTR of ${name}`);
    await closeFile(this.#ask, found.handle, state);
    return found;
  }

  async setSize(handle: Buffer, size: number): Promise<void> {
    const compound = new Compound().file(handle);
    operations.setSize(compound, size);
    await this.#set(compound, 'SETATTR');
  }

  rename(from: string, to: string, fileId: string): Promise<void> {
    const compound = new Compound().file(this.#folder).save().file(this.#folder);
    operations.rename(compound, from, to);
    const steps: OperationStep[] = [
      [compounds.NFS4_PUTFH],
      [compounds.NFS4_SAVEFH],
      [compounds.NFS4_PUTFH],
      [compounds.NFS4_RENAME],
    ];
    return untilRenamed(this, from, to, fileId, async () =>
      successOf(await this.#steps(compound, true, ONCE, steps), `RENAME of ${from}`),
    );
  }

  async remove(name: string): Promise<void> {
    const compound = new Compound().file(this.#folder);
    operations.remove(compound, name);
    const steps: OperationStep[] = [[compounds.NFS4_PUTFH], [compounds.NFS4_REMOVE]];
    for (;;) {
      try {
        const answer = await this.#steps(compound, true, ONCE, steps);
        if (answer.status !== STATUS4.NOENT) successOf(answer, `REMOVE of ${name}`);
        return;
      } catch (error) {
        if (!(error instanceof RpcFailure) || error.kind !== 'lost') throw error;
        if ((await this.lookup(name)) === undefined) return;
      }
    }
  }

  async list(most: number, folder: Buffer = this.#folder): Promise<readonly FolderEntry[]> {
    const all: FolderEntry[] = [];
    let cookie: Buffer = Buffer.alloc(8);
    let verifier: Buffer = Buffer.alloc(8);
    for (;;) {
      const compound = new Compound().file(folder);
      operations.readFolder(compound, cookie, verifier, FOLDER_PAGE_BYTES);
      const got: { page?: FolderPage } = {};
      const answer = await this.#steps(compound, got, REPEATABLE, [
        [compounds.NFS4_PUTFH],
        [compounds.NFS4_READDIR, (results) => (got.page = operations.readFolderPage(results))],
      ]);
      const { page } = successOf(answer, 'READDIR');
      if (page === undefined) throw new NfsError(NFS_STATUS.IO, 'READDIR');
      all.push(...page.entries);
      if (all.length > most) throw new NfsError(NFS_STATUS.INVAL, `a folder of over ${most} files`);
      if (page.last || page.entries.length === 0) return all;
      ({ cookie, verifier } = page);
    }
  }

  async open(name: string, found: FoundFile, write: boolean): Promise<OpenHandle> {
    const state = await this.#openFile({ name, write });
    if (state.found.attributes.fileId !== found.attributes.fileId) {
      await closeFile(this.#ask, state.found.handle, state);
      throw new NfsError(NFS_STATUS.STALE, `OPEN of ${name}`);
    }
    const file = new OpenFile4(name, write, this.options.credential, state, async (closing) => {
      if (!this.#open.delete(closing)) return;
      await closeFile(this.#ask, closing.handle, closing.state);
    });
    this.#open.add(file);
    this.#client.keep(() => void this.recoverNow());
    return file;
  }

  judge(status: number): Verdict {
    if (isPutOff(status)) return 'later';
    if (!LOST_STATE.has(status)) return 'failed';
    this.#doubt = true;
    return 'state';
  }

  async close(): Promise<void> {
    this.#client.close();
    this.client.close();
  }

  async #recoverState(): Promise<void> {
    const doubt = this.#doubt;
    this.#doubt = false;
    const anew = await this.#client.renewOrIntroduce();
    const client = this.#client.id;
    if ((!anew && !doubt) || client === undefined) return;
    const opening = this.#opening(client);
    for (const file of [...this.#open]) await file.reopen(opening, anew);
  }

  #opening(client: Buffer): Opening {
    const newOwner = (): Buffer => {
      this.#owners += 1;
      return Buffer.from(`${this.options.clientName}/${this.#owners}`);
    };
    const { credential } = this.options;
    return { ask: this.#ask, client, folder: this.#folder, credential, newOwner };
  }

  /** Opens, with another owner when the answer was lost or the state was. */
  async #openFile(wish: Parameters<typeof openFile>[1]): Promise<OpenResult> {
    const { time, patience } = this.options;
    const end = time.now() + patience;
    for (let refusals = 0; ; ) {
      try {
        return await openFile(this.#opening(await this.#clientId()), wish, false);
      } catch (error) {
        const lost = error instanceof RpcFailure && error.kind === 'lost';
        const state = isStatus(error, ...LOST_STATE);
        if (state) refusals += 1;
        if ((!lost && !state) || refusals === STATE_ATTEMPTS || time.now() > end) throw error;
        if (state) await this.recoverNow();
      }
    }
  }

  /** The first connection makes us known. */
  async #clientId(): Promise<Buffer> {
    if (this.#client.id === undefined) {
      const nothing = callTemplate(NFS_PROGRAM, compounds.NFS4_VERSION, 0, undefined);
      const call = new PlainCall(nothing, Buffer.alloc(0), () => true, true);
      this.client.submit(call);
      await call.answer;
    }
    if (this.#client.id === undefined) throw new NfsError(STATUS4.STALE_CLIENTID, 'OPEN');
    return this.#client.id;
  }

  /** From the root of the pseudo file system (RFC 7530, section 7). */
  async #walk(path: string): Promise<Buffer> {
    const names = path.split('/').filter((name) => name !== '');
    if (names.length > PATH_DEPTH) throw new NfsError(NFS_STATUS.NAMETOOLONG, path);
    const compound = new Compound().root();
    const steps: OperationStep[] = [[compounds.NFS4_PUTROOTFH]];
    for (const name of names) {
      compound.lookup(name);
      steps.push([compounds.NFS4_LOOKUP]);
    }
    compound.handle();
    const got: { handle?: Buffer } = {};
    steps.push([compounds.NFS4_GETFH, (results) => (got.handle = operations.readHandle(results))]);
    const { handle } = successOf(await this.#steps(compound, got, REPEATABLE, steps), path);
    return handle ?? Buffer.alloc(0);
  }

  #shareAttributes(): Promise<ShareAttributes> {
    return this.#attributesOf(this.#folder, SHARE_ATTRIBUTES, readShareAttributes);
  }

  async #attributesOf<T>(
    handle: Buffer,
    wanted: readonly number[],
    read: (reader: Parameters<OperationStep[1] & object>[0]) => T,
  ): Promise<T> {
    const compound = new Compound().file(handle).attributes(wanted);
    const got: { value?: T } = {};
    const answer = await this.#steps(compound, got, REPEATABLE, [
      [compounds.NFS4_PUTFH],
      [compounds.NFS4_GETATTR, (results) => (got.value = read(results))],
    ]);
    return successOf({ status: answer.status, value: got.value }, 'GETATTR');
  }

  async #set(compound: Compound, what: string): Promise<void> {
    const steps: OperationStep[] = [
      [compounds.NFS4_PUTFH],
      [compounds.NFS4_SETATTR, operations.skipBitmap],
    ];
    successOf(await this.#steps(compound, true, REPEATABLE, steps), what);
  }

  #steps<T>(
    compound: Compound,
    value: T,
    how: { readonly repeatable: boolean },
    steps: readonly OperationStep[],
  ): Promise<Answer<T>> {
    return this.#ask(compound, (reader) => ({ status: readOperations(reader, steps), value }), how);
  }

  readonly #ask: AskCompound = (compound, read, how) =>
    this.ask(
      this.#template,
      compound.bytes(),
      (reader) => {
        const answer = read(reader);
        return reader.ok ? answer : undefined;
      },
      how,
    );
}
