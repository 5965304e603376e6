/** A folder of a server by NFSv3. The server keeps nothing for us, so there is nothing to recover but written data. */
import { FOLDER_PAGE_BYTES } from '../limits.ts';
import { RpcFailure } from '../rpc/failure.ts';
import type { Decode } from '../rpc/plain-call.ts';
import type {
  FileAttributes,
  FolderEntry,
  FoundFile,
  ShareSpace,
  TransferLimits,
} from '../wire/attributes.ts';
import { DATA3, type DataTemplates } from '../wire/data.ts';
import {
  type Answer,
  decodeAccess,
  decodeAttributes,
  decodeCreate,
  decodeFolderPage,
  decodeLimits,
  decodeLookup,
  decodePathLimits,
  decodeSpace,
  decodeStatus,
  encodeAccess,
  encodeCreateExclusive,
  encodeCreateGuarded,
  encodeHandle,
  encodeName,
  encodeReadFolder,
  encodeRename,
  encodeSetAttributes,
  NFS_PROGRAM,
  NFS3_ACCESS,
  NFS3_COMMIT,
  NFS3_CREATE,
  NFS3_FSINFO,
  NFS3_FSSTAT,
  NFS3_GETATTR,
  NFS3_LOOKUP,
  NFS3_PATHCONF,
  NFS3_READ,
  NFS3_READDIRPLUS,
  NFS3_REMOVE,
  NFS3_RENAME,
  NFS3_SETATTR,
  NFS3_VERSION,
  NFS3_WRITE,
} from '../wire/nfs3.ts';
import { callTemplate } from '../wire/rpc-message.ts';
import { XdrWriter } from '../wire/xdr.ts';
import { FILE_MODE, untilRenamed } from './folder-rules.ts';
import { mountExport, portOf, unmountExport } from './mount-protocol.ts';
import { isPutOff, isStatus, NFS_STATUS, NfsError } from './nfs-error.ts';
import { RpcShare, type ShareOptions, successOf } from './rpc-share.ts';
import type { NfsShare, OpenHandle, Verdict } from './share.ts';

export class Share3 extends RpcShare implements NfsShare {
  readonly version = 3;
  readonly #folder: Buffer;
  #limits: Promise<TransferLimits> | undefined;

  private constructor(options: ShareOptions, folder: Buffer) {
    super(options, {
      program: NFS_PROGRAM,
      version: NFS3_VERSION,
      port: async () => options.port ?? portOf(options, NFS_PROGRAM, NFS3_VERSION),
      recoverState: async () => undefined,
    });
    this.#folder = folder;
  }

  /** @throws NfsError, RpcFailure */
  static async mount(options: ShareOptions): Promise<Share3> {
    return new Share3(options, await mountExport(options));
  }

  limits(): Promise<TransferLimits> {
    if (this.#limits === undefined) {
      const args = encodeHandle(this.#folder);
      this.#limits = this.#value(NFS3_FSINFO, args, decodeLimits, 'FSINFO');
      this.#limits.catch(() => {
        this.#limits = undefined; // to be asked again
      });
    }
    return this.#limits;
  }

  space(): Promise<ShareSpace> {
    return this.#value(NFS3_FSSTAT, encodeHandle(this.#folder), decodeSpace, 'FSSTAT');
  }

  longestName(): Promise<number> {
    const args = encodeHandle(this.#folder);
    return this.#value(NFS3_PATHCONF, args, decodePathLimits, 'PATHCONF');
  }

  attributes(handle = this.#folder): Promise<FileAttributes> {
    return this.#value(NFS3_GETATTR, encodeHandle(handle), decodeAttributes, 'GETATTR');
  }

  access(wanted: number): Promise<number> {
    return this.#value(NFS3_ACCESS, encodeAccess(this.#folder, wanted), decodeAccess, 'ACCESS');
  }

  async lookup(name: string): Promise<FoundFile | undefined> {
    const answer = await this.#call(NFS3_LOOKUP, encodeName(this.#folder, name), decodeLookup);
    if (answer.status === NFS_STATUS.NOENT) return undefined;
    const { handle, attributes } = successOf(answer, `LOOKUP of ${name}`);
    return { handle, attributes: attributes ?? (await this.attributes(handle)) };
  }

  async create(name: string, verifier: Buffer): Promise<FoundFile> {
    const exclusive = encodeCreateExclusive(this.#folder, name, verifier);
    let answer = await this.#call(NFS3_CREATE, exclusive, decodeCreate);
    if (answer.status === NFS_STATUS.NOTSUPP) {
      const guarded = encodeCreateGuarded(this.#folder, name, FILE_MODE);
      answer = await this.#call(NFS3_CREATE, guarded, decodeCreate, false);
    }
    successOf(answer, `CREATE of ${name}`);
    const found = await this.lookup(name);
    if (found === undefined) throw new NfsError(NFS_STATUS.STALE, `CREATE of ${name}`);
    // An exclusive CREATE keeps the verifier where other attributes are (RFC 1813, section 3.3.8).
    const mode = encodeSetAttributes(found.handle, { mode: FILE_MODE });
    await this.#value(NFS3_SETATTR, mode, decodeStatus, `SETATTR of ${name}`);
    return found;
  }

  async setSize(handle: Buffer, size: number): Promise<void> {
    const args = encodeSetAttributes(handle, { size });
    await this.#value(NFS3_SETATTR, args, decodeStatus, 'SETATTR');
  }

  rename(from: string, to: string, fileId: string): Promise<void> {
    const args = encodeRename(this.#folder, from, to);
    return untilRenamed(this, from, to, fileId, () =>
      this.#value(NFS3_RENAME, args, decodeStatus, `RENAME of ${from}`, false),
    );
  }

  async remove(name: string): Promise<void> {
    const args = encodeName(this.#folder, name);
    for (;;) {
      try {
        await this.#value(NFS3_REMOVE, args, decodeStatus, `REMOVE of ${name}`, false);
        return;
      } catch (error) {
        if (isStatus(error, NFS_STATUS.NOENT)) return;
        if (!(error instanceof RpcFailure) || error.kind !== 'lost') throw error;
        if ((await this.lookup(name)) === undefined) return;
      }
    }
  }

  async list(most: number): Promise<readonly FolderEntry[]> {
    const all: FolderEntry[] = [];
    let cookie = Buffer.alloc(8);
    let verifier = Buffer.alloc(8);
    for (;;) {
      const args = encodeReadFolder(this.#folder, cookie, verifier, FOLDER_PAGE_BYTES);
      const page = await this.#value(NFS3_READDIRPLUS, args, decodeFolderPage, 'READDIRPLUS');
      all.push(...page.entries.filter(({ name }) => name !== '.' && name !== '..'));
      if (all.length > most) throw new NfsError(NFS_STATUS.INVAL, `a folder of over ${most} files`);
      if (page.last || page.entries.length === 0) return all;
      cookie = Buffer.from(page.cookie);
      verifier = Buffer.from(page.verifier);
    }
  }

  async open(_name: string, { handle }: FoundFile): Promise<OpenHandle> {
    const templates: DataTemplates = {
      read: this.#dataTemplate(NFS3_READ, handle),
      write: this.#dataTemplate(NFS3_WRITE, handle),
      commit: this.#dataTemplate(NFS3_COMMIT, handle),
    };
    return { handle, codec: DATA3, templates, broken: undefined, close: async () => undefined };
  }

  judge(status: number): Verdict {
    return isPutOff(status) ? 'later' : 'failed';
  }

  async close(): Promise<void> {
    this.client.close();
    const patience = Math.min(this.options.patience, 1000);
    await unmountExport({ ...this.options, patience }).catch(() => undefined); // polite, no more
  }

  #dataTemplate(procedure: number, handle: Buffer): Buffer {
    const head = this.#template(procedure);
    return Buffer.concat([head, new XdrWriter().opaque(handle).bytes()]);
  }

  #template(procedure: number): Buffer {
    return callTemplate(NFS_PROGRAM, NFS3_VERSION, procedure, this.options.credential);
  }

  #call<T>(
    procedure: number,
    args: Buffer,
    decode: Decode<Answer<T>>,
    repeatable = true,
  ): Promise<Answer<T>> {
    return this.ask(this.#template(procedure), args, decode, { repeatable });
  }

  async #value<T>(
    procedure: number,
    args: Buffer,
    decode: Decode<Answer<T>>,
    what: string,
    repeatable = true,
  ): Promise<T> {
    return successOf(await this.#call(procedure, args, decode, repeatable), what);
  }
}
