import { type FileHandle, open } from 'node:fs/promises';
import { Fault } from '../../errors/index.ts';
import { violationFault } from './bundle-fault.ts';
import { isViolation } from './bundle-record.ts';
import { type Change, type ChangeRun, dataOf, decodeChanges } from './change-list.ts';

/** Changes given out at once. */
const BATCH = 4096;
const LENGTH_BYTES = 4;

/** Where the changes of one version lie in the spool. */
export interface SpooledChanges {
  readonly from: number;
  readonly to: number;
}

/** The changes of all versions of a bundle, in a file: they are needed twice, and are too many for memory. */
export class ChangeSpool {
  readonly #path: string;
  readonly #handle: FileHandle;
  #length = 0;

  private constructor(path: string, handle: FileHandle) {
    this.#path = path;
    this.#handle = handle;
  }

  static async create(path: string): Promise<ChangeSpool> {
    return new ChangeSpool(path, await open(path, 'wx+', 0o600));
  }

  /** Bytes so far. */
  get length(): number {
    return this.#length;
  }

  /** @param payload of a changes record */
  async add(payload: Buffer): Promise<void> {
    const length = Buffer.alloc(LENGTH_BYTES);
    length.writeUInt32BE(payload.length);
    for (const part of [length, payload]) {
      for (let done = 0; done < part.length; ) {
        const rest = part.length - done;
        const { bytesWritten } = await this.#handle.write(part, done, rest, this.#length);
        done += bytesWritten;
        this.#length += bytesWritten;
      }
    }
  }

  async *runs({ from, to }: SpooledChanges): AsyncGenerator<readonly ChangeRun[]> {
    for (let at = from; at < to; ) {
      const length = (await this.#read(at, LENGTH_BYTES)).readUInt32BE(0);
      const list = decodeChanges(await this.#read(at + LENGTH_BYTES, length));
      if (isViolation(list)) throw violationFault(this.#path, list);
      yield list.runs;
      at += LENGTH_BYTES + length;
    }
  }

  async *changes(spooled: SpooledChanges): AsyncGenerator<readonly Change[]> {
    for await (const runs of this.runs(spooled)) {
      let batch: Change[] = [];
      for (const run of runs) {
        for (const change of changesOf(run)) {
          batch.push(change);
          if (batch.length < BATCH) continue;
          yield batch;
          batch = [];
        }
      }
      yield batch;
    }
  }

  async close(): Promise<void> {
    await this.#handle.close();
  }

  async #read(position: number, length: number): Promise<Buffer> {
    const bytes = Buffer.allocUnsafe(length);
    for (let done = 0; done < length; ) {
      const { bytesRead } = await this.#handle.read(bytes, done, length - done, position + done);
      if (bytesRead === 0) throw new Fault('INTERNAL', `${this.#path}: has become shorter`);
      done += bytesRead;
    }
    return bytes;
  }
}

function* changesOf(run: ChangeRun): Generator<Change> {
  if (run.hashes !== undefined) yield* dataOf(run);
  else for (let index = 0; index < run.count; index += 1) yield zeroes(run.first + index);
}

function zeroes(chunk: number): Change {
  return { chunk, hash: undefined };
}
