/**
 * One folder of an NFS server, whatever the version: names in it, and files in it opened for the data path. Fails with
 * an NfsError (what the server said) or an RpcFailure (that it said nothing).
 *
 * What changes names does not repeat itself blindly: `create` finds its own file again by its verifier, `rename` and
 * `remove` look what became of a call whose answer was lost.
 */
import type { RpcCall } from '../rpc/call.ts';
import type {
  FileAttributes,
  FolderEntry,
  FoundFile,
  ShareSpace,
  TransferLimits,
} from '../wire/attributes.ts';
import type { DataCodec, DataTemplates } from '../wire/data.ts';

/** What a data call that was refused for its state needs. */
export type Verdict = 'later' | 'state' | 'failed';

/** A file that is open: what the data path encodes its calls with. */
export interface OpenHandle {
  readonly handle: Buffer;
  readonly codec: DataCodec;
  /** New ones after the server's state had to be made anew. */
  readonly templates: DataTemplates;
  /** Why it cannot be reached any more, e.g. it is gone; undefined: it can. */
  readonly broken: Error | undefined;
  close(): Promise<void>;
}

/** Who has written data that the server may have lost with a connection. */
export interface Recoverable {
  /** Runs while no other call does; uses `urgent` calls. Rejects with an RpcFailure when the connection is lost. */
  recover(): Promise<void>;
}

export interface NfsShare {
  readonly version: 3 | 4;
  /** Asked once. */
  limits(): Promise<TransferLimits>;
  space(): Promise<ShareSpace>;
  /** Of the folder itself, or of a file. */
  attributes(handle?: Buffer): Promise<FileAttributes>;
  /** What we may do with the folder: ACCESS_ bits of those asked for. */
  access(wanted: number): Promise<number>;
  lookup(name: string): Promise<FoundFile | undefined>;
  /**
   * A new empty file.
   * @param verifier 8 bytes: the same again, before anything was written, finds the same file
   * @throws NfsError EXIST
   */
  create(name: string, verifier: Buffer): Promise<FoundFile>;
  setSize(handle: Buffer, size: number): Promise<void>;
  /** Replaces what has the new name. @param fileId of what has the old one */
  rename(from: string, to: string, fileId: string): Promise<void>;
  /** What is gone is fine. */
  remove(name: string): Promise<void>;
  /** @param most entries; more: NfsError INVAL */
  list(most: number): Promise<readonly FolderEntry[]>;
  open(name: string, found: FoundFile, write: boolean): Promise<OpenHandle>;
  close(): Promise<void>;

  /** For the data path. */
  submit(call: RpcCall): void;
  resubmit(call: RpcCall, milliseconds: number): void;
  urgent(call: RpcCall): void;
  /** What a status of a data call asks for. `state`: recoverNow, then the call again. */
  judge(status: number): Verdict;
  recoverNow(): Promise<void>;
  watch(file: Recoverable): () => void;
}
