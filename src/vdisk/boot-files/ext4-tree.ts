import { Worker } from 'node:worker_threads';
import type { FromReader, ReaderStart, ToReader } from './ext4-messages.ts';
import type { FileTree } from './file-tree.ts';
import { READER_HEAP_MIB } from './limits.ts';
import type { Disk } from './partition-table.ts';

type Answer = Exclude<FromReader, { type: 'need' }>;

/**
 * An ext2, ext3 or ext4 file system at `offset` of a disk, read by a thread of its own.
 * @throws Error when it is damaged, or the signal ended it
 */
export async function openExt4Tree(
  disk: Disk,
  offset: number,
  signal: AbortSignal,
): Promise<FileTree> {
  signal.throwIfAborted();
  const tree = new Ext4Tree(disk, offset, signal);
  try {
    await tree.mounted();
    return tree;
  } catch (error) {
    await tree.close();
    throw error;
  }
}

class Ext4Tree implements FileTree {
  readonly #disk: Disk;
  readonly #worker: Worker;
  readonly #signal: AbortSignal;
  readonly #onAbort = () => this.#end(this.#signal.reason);
  #waiting: PromiseWithResolvers<Answer> | undefined;
  #ended: Error | undefined;

  constructor(disk: Disk, offset: number, signal: AbortSignal) {
    this.#disk = disk;
    this.#signal = signal;
    const workerData: ReaderStart = { offset, diskSize: disk.size };
    this.#worker = new Worker(new URL('./ext4-reader.ts', import.meta.url), {
      workerData,
      resourceLimits: { maxOldGenerationSizeMb: READER_HEAP_MIB },
      stdout: true, // e2fsprogs prints what it finds wrong; what counts comes as a message
      stderr: true,
    });
    this.#worker.on('message', (message: FromReader) => this.#hear(message));
    this.#worker.on('error', (error) => this.#end(error));
    this.#worker.on('exit', () => this.#end(new Error('the reader of the file system stopped')));
    signal.addEventListener('abort', this.#onAbort, { once: true });
  }

  async mounted(): Promise<void> {
    await this.#answer();
  }

  async list(path: string): Promise<readonly string[]> {
    const answer = await this.#ask({ type: 'list', path });
    return answer.type === 'listed' ? answer.names : [];
  }

  async extract(path: string, target: string, most: number): Promise<void> {
    await this.#ask({ type: 'extract', path, target, most });
  }

  async close(): Promise<void> {
    this.#end(new Error('closed'));
    await this.#worker.terminate();
  }

  #ask(message: ToReader): Promise<Answer> {
    const answer = this.#answer();
    this.#worker.postMessage(message);
    return answer;
  }

  /** One question at a time: the next answer is to the one question. */
  async #answer(): Promise<Answer> {
    if (this.#ended !== undefined) throw this.#ended;
    this.#waiting = Promise.withResolvers<Answer>();
    const answer = await this.#waiting.promise;
    if (answer.type === 'failed') throw new Error(answer.message);
    return answer;
  }

  #hear(message: FromReader): void {
    if (message.type === 'need') void this.#lend(message.offset, message.length);
    else this.#waiting?.resolve(message);
  }

  async #lend(offset: number, length: number): Promise<void> {
    let bytes: Buffer | undefined = Buffer.alloc(length);
    try {
      await this.#disk.read(bytes, offset);
    } catch {
      bytes = undefined; // the reader says at which offset
    }
    if (this.#ended === undefined) this.#worker.postMessage({ type: 'block', bytes });
  }

  #end(error: unknown): void {
    if (this.#ended !== undefined) return;
    this.#ended = error instanceof Error ? error : new Error(String(error));
    this.#signal.removeEventListener('abort', this.#onAbort);
    this.#waiting?.reject(this.#ended);
    void this.#worker.terminate();
  }
}
