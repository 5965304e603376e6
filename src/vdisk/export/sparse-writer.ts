import { writeFault } from './export-fault.ts';
import { EXPORT_FLUSH_BYTES } from './limits.ts';
import type { TargetFile } from './target-file.ts';
import { dataRuns } from './zero-runs.ts';

/**
 * Writes a file and leaves its zeroes out: they are holes. Whatever the system refuses becomes a
 * Fault that names the file.
 */
export class SparseWriter {
  readonly #target: TargetFile;
  readonly #path: string;
  #unflushed = 0;

  /** @param path for messages */
  constructor(target: TargetFile, path: string) {
    this.#target = target;
    this.#path = path;
  }

  /** Where nothing was written before. @throws Fault NO_SPACE, PERMISSION_DENIED, UNAVAILABLE */
  async write(bytes: Buffer, position: number): Promise<void> {
    try {
      for (const { start, end } of dataRuns(bytes, position)) {
        await this.#target.write(bytes.subarray(start, end), position + start);
        this.#unflushed += end - start;
      }
      if (this.#unflushed < EXPORT_FLUSH_BYTES) return;
      this.#unflushed = 0;
      await this.#target.sync();
    } catch (error) {
      throw writeFault(error, this.#path);
    }
  }

  /** Gives the file its length and makes it durable. @throws as `write` */
  async finish(length: number): Promise<void> {
    try {
      await this.#target.truncate(length);
      await this.#target.sync();
    } catch (error) {
      throw writeFault(error, this.#path);
    }
  }
}
