/**
 * The beginning of a body, kept in a temporary file, so that it can be read again and out of order: as if the whole image
 * were a file, of which the rest comes when somebody asks for it. The file has no name any more once it is open, so that
 * nothing can leave it behind.
 */
import { randomUUID } from 'node:crypto';
import { type FileHandle, open, rm, statfs } from 'node:fs/promises';
import { join } from 'node:path';
import { writeAt } from '../../base/index.ts';
import { Fault } from '../../errors/index.ts';
import type { ByteSource } from '../../vdisk/index.ts';
import type { ByteFeed } from './byte-feed.ts';
import { unsupportedImage } from './image-fault.ts';
import { IMPORT_WINDOW_BYTES, QCOW2_SPOOL_RESERVE_BYTES } from './limits.ts';
import type { Pace } from './pace.ts';

export interface SpoolOptions {
  readonly feed: ByteFeed;
  /** Bytes of the body, as announced; undefined: nobody knows. */
  readonly length: number | undefined;
  /** Exists. */
  readonly folder: string;
  /** Bytes kept at most. */
  readonly bytesMax: number;
  readonly pace: Pace;
}

export class ImageSpool implements ByteSource {
  readonly name = 'the image that was sent';
  readonly allocatedBytes = 0;
  readonly identity = 'body';
  readonly #file: FileHandle;
  readonly #options: SpoolOptions;
  readonly #buffer = Buffer.allocUnsafeSlow(IMPORT_WINDOW_BYTES);
  #kept = 0;
  #ended = false;

  private constructor(file: FileHandle, options: SpoolOptions) {
    this.#file = file;
    this.#options = options;
  }

  /** @throws Fault NO_SPACE, UNAVAILABLE */
  static async open(options: SpoolOptions): Promise<ImageSpool> {
    const { folder } = options;
    const path = join(folder, `${randomUUID()}.part`);
    let file: FileHandle | undefined;
    try {
      const { bavail, bsize } = await statfs(folder);
      if (bavail * bsize < QCOW2_SPOOL_RESERVE_BYTES) throw noRoom(folder);
      file = await open(path, 'wx+', 0o600);
      await rm(path);
      return new ImageSpool(file, options);
    } catch (error) {
      await file?.close();
      await rm(path, { force: true }).catch(() => undefined);
      throw fileFault(error, folder);
    }
  }

  /** Bytes of the image, as far as they are known: what was announced, until the end has come. */
  get size(): number {
    if (this.#ended) return this.#kept;
    return this.#options.length ?? Number.MAX_SAFE_INTEGER;
  }

  /** Bytes that have been taken from the body. */
  get kept(): number {
    return this.#kept;
  }

  /** Waits for bytes that have not come yet. @throws what the body throws; Fault IMAGE_UNSUPPORTED, NO_SPACE */
  async read(target: Buffer, offset: number): Promise<number> {
    await this.keepUpTo(offset + target.length);
    let done = 0;
    while (done < target.length) {
      const left = target.length - done;
      const { bytesRead } = await this.#file.read(target, done, left, offset + done);
      if (bytesRead === 0) break;
      done += bytesRead;
    }
    return done;
  }

  /** Takes so many bytes of the body in all, or what there is. */
  async keepUpTo(end: number): Promise<void> {
    const { feed, folder, bytesMax, pace } = this.#options;
    while (this.#kept < end && !this.#ended) {
      if (this.#kept >= bytesMax) {
        const detail = `tables that do not come before the data are looked for in the first ${bytesMax} bytes (QCOW2_SPOOL_BYTES_MAX)`;
        throw unsupportedImage('length', this.#kept, detail);
      }
      const most = Math.min(this.#buffer.length, end - this.#kept, bytesMax - this.#kept);
      const window = this.#buffer.subarray(0, most);
      const got = await feed.fill(window);
      if (got === 0) this.#ended = true;
      try {
        await writeAt(this.#file, window.subarray(0, got), this.#kept);
      } catch (error) {
        throw fileFault(error, folder);
      }
      this.#kept += got;
      pace.check();
      await pace.spend(got);
    }
  }

  close(): Promise<void> {
    return this.#file.close();
  }
}

function noRoom(folder: string): Fault {
  const expected = `${QCOW2_SPOOL_RESERVE_BYTES} bytes free`;
  return new Fault('NO_SPACE', `${folder} is full; the image is kept there while it comes`, {
    field: 'folder',
    value: folder,
    expected,
  });
}

function fileFault(error: unknown, folder: string): Fault {
  if (error instanceof Fault) return error;
  const { code } = error as NodeJS.ErrnoException;
  if (code === 'ENOSPC' || code === 'EDQUOT') return noRoom(folder);
  const message = `${folder}: the image cannot be kept there while it comes (${code ?? String(error)})`;
  return new Fault('UNAVAILABLE', message, {}, { cause: error });
}
