/**
 * The thread that reads an ext file system, with e2fsprogs compiled to WebAssembly (npm ext2fs).
 *
 * It is a thread of its own because it works on bytes that anyone may have written: a corrupt file
 * system may abort it or keep it busy, and then it is ended without the service noticing. Its memory
 * is the module's 16 MiB, which does not grow, and a bounded cache of disk blocks. It asks the
 * service for bytes of the disk and has no other way to them; what the library writes (access times)
 * is dropped. A journal is not replayed: kernel and initrd are as of the last checkpoint.
 */
import { open } from 'node:fs/promises';
import { parentPort, workerData } from 'node:worker_threads';
import ext2fs, { type Ext2FileSystem } from 'ext2fs';
import { LRUCache } from 'lru-cache';
import type { FromReader, ReaderStart, ToReader } from './ext4-messages.ts';
import { COPY_BYTES, DISK_BLOCK_BYTES, DISK_BLOCKS_KEPT, FOLDER_ENTRIES_MAX } from './limits.ts';

const start = workerData as ReaderStart;
const blocks = new LRUCache<number, Uint8Array>({ max: DISK_BLOCKS_KEPT });

type Answer = Extract<ToReader, { type: 'block' }>;
const waiting: ((answer: Answer) => void)[] = [];

function say(message: FromReader): void {
  parentPort?.postMessage(message);
}

/** One block of the disk, from the cache or from the service. */
async function blockAt(index: number): Promise<Uint8Array> {
  const cached = blocks.get(index);
  if (cached !== undefined) return cached;
  const offset = index * DISK_BLOCK_BYTES;
  const length = Math.min(DISK_BLOCK_BYTES, start.diskSize - offset);
  const answer = await new Promise<Answer>((settle) => {
    waiting.push(settle);
    say({ type: 'need', offset, length });
  });
  if (answer.bytes === undefined) throw new Error(`the disk cannot be read at ${offset}`);
  blocks.set(index, answer.bytes);
  return answer.bytes;
}

const disk = {
  /** `offset` counts from the start of the disk: ext2fs adds the partition's. */
  async read(buffer: Buffer, bufferOffset: number, length: number, offset: number): Promise<void> {
    if (!(offset >= start.offset && offset + length <= start.diskSize)) {
      throw new RangeError(`read of ${length} bytes at ${offset}, outside of the disk`);
    }
    let done = 0;
    while (done < length) {
      const at = offset + done;
      const index = Math.floor(at / DISK_BLOCK_BYTES);
      const block = await blockAt(index);
      const inBlock = at - index * DISK_BLOCK_BYTES;
      const part = block.subarray(inBlock, Math.min(block.length, inBlock + length - done));
      buffer.set(part, bufferOffset + done);
      done += part.length;
    }
  },
  /** Reading a file notes the time in its inode, and fails when that fails: forget it instead. */
  async write(): Promise<void> {},
  async discard(): Promise<void> {},
  async flush(): Promise<void> {
    // nothing was written
  },
};

async function extract(
  fs: Ext2FileSystem,
  message: Extract<ToReader, { type: 'extract' }>,
): Promise<void> {
  const { fd } = await fs.open(message.path, 'r');
  const stat = await fs.fstat(fd);
  if (!stat.isFile()) throw new Error(`${message.path} is not a file`);
  if (!(stat.size > 0 && stat.size <= message.most)) {
    throw new Error(`${message.path} has ${stat.size} bytes; expected 1 to ${message.most}`);
  }
  const target = await open(message.target, 'w', 0o600);
  try {
    const buffer = Buffer.alloc(COPY_BYTES);
    for (let at = 0; at < stat.size; ) {
      const length = Math.min(buffer.length, stat.size - at);
      const { bytesRead } = await fs.read(fd, buffer, 0, length, at);
      if (bytesRead !== length) throw new Error(`${message.path} cannot be read at ${at}`);
      await target.write(buffer, 0, length, at);
      at += length;
    }
    await target.sync();
  } finally {
    await target.close();
  }
  await fs.close(fd);
}

async function list(fs: Ext2FileSystem, path: string): Promise<readonly string[]> {
  try {
    return (await fs.readdir(path)).slice(0, FOLDER_ENTRIES_MAX);
  } catch (error) {
    const { code } = error as { code?: unknown };
    if (code === 'ENOENT' || code === 'ENOTDIR') return [];
    throw error;
  }
}

async function obey(
  fs: Ext2FileSystem,
  message: Exclude<ToReader, { type: 'block' }>,
): Promise<FromReader> {
  try {
    switch (message.type) {
      case 'list':
        return { type: 'listed', names: await list(fs, message.path) };
      case 'extract':
        await extract(fs, message);
        return { type: 'extracted' };
    }
  } catch (error) {
    return { type: 'failed', message: error instanceof Error ? error.message : String(error) };
  }
}

/** The service asks one thing at a time, and answers every `need` in order. */
const mounting = ext2fs.mount(disk, start.offset);
parentPort?.on('message', async (message: ToReader) => {
  if (message.type === 'block') waiting.shift()?.(message);
  else say(await obey((await mounting).promises, message));
});

/** The library takes all bitmaps into its memory: some 256 GiB with blocks of 4 KiB. */
function mountFault(error: unknown): string {
  const message = error instanceof Error ? error.message : String(error);
  return message.includes('OOM') ? 'too large for the reader (more than about 256 GiB)' : message;
}

try {
  await mounting;
  say({ type: 'mounted' });
} catch (error) {
  say({ type: 'failed', message: mountFault(error) });
}
