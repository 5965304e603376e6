/** What both versions of NFS say of an object, in one form. */
export type FileType = 'file' | 'folder' | 'other';

export interface FileAttributes {
  readonly type: FileType;
  /** Bytes. */
  readonly size: number;
  /** Bytes that it occupies on the server. */
  readonly used: number;
  readonly mode: number;
  /** Of the file system, and of the file in it: hexadecimal. */
  readonly fileSystem: string;
  readonly fileId: string;
  /** Milliseconds since the epoch. */
  readonly modifiedAt: number;
}

export interface FoundFile {
  readonly handle: Buffer;
  readonly attributes: FileAttributes;
}

export interface FolderEntry {
  readonly name: string;
  readonly fileId: string;
  /** Absent when the server did not say. */
  readonly handle: Buffer | undefined;
  readonly attributes: FileAttributes | undefined;
}

/** One reply to READDIRPLUS or READDIR. */
export interface FolderPage {
  readonly entries: readonly FolderEntry[];
  /** Where to go on: 8 bytes. */
  readonly cookie: Buffer;
  readonly verifier: Buffer;
  readonly last: boolean;
}

/** What a server takes in one request. Bytes. */
export interface TransferLimits {
  readonly readMost: number;
  readonly readBest: number;
  readonly writeMost: number;
  readonly writeBest: number;
  readonly fileMost: number;
}

export interface ShareSpace {
  readonly total: number;
  /** Bytes that the caller may still fill. */
  readonly free: number;
}
