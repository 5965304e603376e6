import { constants } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { Fault } from '../../errors/index.ts';
import { invalidImage } from './image-fault.ts';

/** Positioned reads of one file: all that a reader needs of the system, and what a test replaces. */
export interface ByteSource {
  /** The path, for messages. */
  readonly name: string;
  /** Size in bytes at the time it was opened. */
  readonly size: number;
  /** Bytes of disk it takes; less than `size` when the file has holes (or is compressed). */
  readonly allocatedBytes: number;
  /** The same for two sources of the same file, however it is spelled. */
  readonly identity: string;
  /** Reads into `target`; the number of bytes read is short only at the end of the file. */
  read(target: Buffer, offset: number): Promise<number>;
  close(): Promise<void>;
}

/** @throws Fault NOT_FOUND, PERMISSION_DENIED, INVALID_INPUT */
export type OpenSource = (path: string) => Promise<ByteSource>;

/** `st_blocks` counts in units of 512 bytes whatever the file system's block size (stat(2)). */
const STAT_BLOCK_BYTES = 512;

export const openFileSource: OpenSource = async (path) => {
  let handle: FileHandle | undefined;
  try {
    // O_NONBLOCK: opening a FIFO must not wait for its other end.
    handle = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
    const stat = await handle.stat();
    if (!stat.isFile()) {
      throw new Fault('INVALID_INPUT', `${path}: not a regular file`, {
        field: 'path',
        value: path,
        expected: 'a regular file',
      });
    }
    return new FileSource(path, handle, stat);
  } catch (error) {
    await handle?.close();
    throw error instanceof Fault ? error : openFault(path, error);
  }
};

class FileSource implements ByteSource {
  readonly name: string;
  readonly size: number;
  readonly allocatedBytes: number;
  readonly identity: string;
  readonly #handle: FileHandle;
  #closed: Promise<void> | undefined;

  constructor(
    name: string,
    handle: FileHandle,
    stat: { size: number; blocks: number; dev: number; ino: number },
  ) {
    this.name = name;
    this.#handle = handle;
    this.size = stat.size;
    this.allocatedBytes = stat.blocks * STAT_BLOCK_BYTES;
    this.identity = `${stat.dev}:${stat.ino}`;
  }

  async read(target: Buffer, offset: number): Promise<number> {
    let done = 0;
    try {
      while (done < target.length) {
        const { bytesRead } = await this.#handle.read(
          target,
          done,
          target.length - done,
          offset + done,
        );
        if (bytesRead === 0) break;
        done += bytesRead;
      }
    } catch (error) {
      const reason = (error as NodeJS.ErrnoException).code ?? String(error);
      throw invalidImage(
        this.name,
        'file',
        reason,
        `${target.length} bytes that can be read at ${offset}`,
        { cause: error },
      );
    }
    return done;
  }

  close(): Promise<void> {
    this.#closed ??= this.#handle.close();
    return this.#closed;
  }
}

function openFault(path: string, error: unknown): Fault {
  const code = (error as NodeJS.ErrnoException).code;
  const details = { field: 'path', value: path };
  const options = { cause: error };
  if (code === 'EACCES' || code === 'EPERM') {
    return new Fault('PERMISSION_DENIED', `${path}: may not be read (${code})`, details, options);
  }
  if (code === 'ENOENT' || code === 'ENOTDIR' || code === 'ELOOP' || code === 'ENAMETOOLONG') {
    return new Fault('NOT_FOUND', `${path}: no such file (${code})`, details, options);
  }
  const reason = code ?? String(error);
  return new Fault('INVALID_INPUT', `${path}: cannot be opened (${reason})`, details, options);
}

/** Fills `target`, or says which field of the image points outside of the file. */
export async function readField(
  source: ByteSource,
  target: Buffer,
  offset: number,
  field: string,
): Promise<void> {
  const end = offset + target.length;
  if (!(offset >= 0 && end <= source.size)) throw truncated(source, field, offset, end);
  const done = await source.read(target, offset);
  if (done < target.length) throw truncated(source, field, offset, end);
}

function truncated(source: ByteSource, field: string, offset: number, end: number): Fault {
  const expected = `a place inside of the file, which has ${source.size} bytes`;
  return invalidImage(source.name, field, `at ${offset}…${end}`, expected);
}
