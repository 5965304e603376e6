/** The file that an export writes: all that it needs of the system, and what a test replaces. */
import { open, statfs } from 'node:fs/promises';
import { writeAt } from '../../base/index.ts';

export interface TargetFile {
  /** All of the bytes. */
  write(bytes: Buffer, position: number): Promise<void>;
  truncate(length: number): Promise<void>;
  /** What was written is on stable storage when it settles. */
  sync(): Promise<void>;
  /** Idempotent. */
  close(): Promise<void>;
}

export interface TargetFolder {
  /** Makes a file that does not exist yet. @throws Error EEXIST and others of the system */
  create(path: string): Promise<TargetFile>;
  /** Bytes that may still be written into the folder. */
  free(folder: string): Promise<number>;
}

/** Readable by its owner only: it is a disk, with everything that is secret on it. */
const FILE_MODE = 0o600;

export const systemFolder: TargetFolder = {
  async create(path) {
    const handle = await open(path, 'wx', FILE_MODE);
    let closed: Promise<void> | undefined;
    return {
      write: (bytes, position) => writeAt(handle, bytes, position),
      truncate: (length) => handle.truncate(length),
      sync: () => handle.sync(),
      close: () => {
        closed ??= handle.close();
        return closed;
      },
    };
  },

  async free(folder) {
    const { bavail, bsize } = await statfs(folder);
    return bavail * bsize;
  },
};
