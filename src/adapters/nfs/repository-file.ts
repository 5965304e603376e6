/**
 * Small files of the repository's own: written whole under another name, stable, then renamed, so that a reader finds the
 * old one or the new one.
 */
import { createHash } from 'node:crypto';
import { BlockError } from '../../errors/index.ts';
import { DataFile } from './file/data-file.ts';
import type { WriteMemory } from './file/write-memory.ts';
import { RECORD_ATTEMPTS, RECORD_FILE_BYTES, TRANSFER_DEFAULT_BYTES } from './limits.ts';
import { isStatus, NFS_STATUS } from './share/nfs-error.ts';
import type { NfsShare } from './share/share.ts';
import type { FoundFile } from './wire/attributes.ts';

/** 8 bytes for an exclusive create, the same for the same words. */
export function createVerifier(...words: readonly string[]): Buffer {
  // The server may keep it in two times of the file: some keep no sign.
  const verifier = createHash('sha256').update(words.join('\0')).digest().subarray(0, 8);
  verifier[0] = (verifier[0] ?? 0) & 0x7f;
  verifier[4] = (verifier[4] ?? 0) & 0x7f;
  return verifier;
}

function wasReplaced(error: unknown): boolean {
  if (error instanceof BlockError) return error.errno === 'ESTALE';
  return isStatus(error, NFS_STATUS.STALE, NFS_STATUS.NOENT);
}

export class RepositoryFiles {
  readonly #share: NfsShare;
  readonly #memory: WriteMemory;

  constructor(share: NfsShare, memory: WriteMemory) {
    this.#share = share;
    this.#memory = memory;
  }

  /** What the file holds; undefined: there is none, or it is longer than ours are. */
  async read(name: string, known?: FoundFile): Promise<Buffer | undefined> {
    for (let attempt = 1; ; attempt += 1) {
      try {
        return await this.#read(name, attempt === 1 ? known : undefined);
      } catch (error) {
        // It was replaced between being found and being read.
        if (!wasReplaced(error) || attempt === RECORD_ATTEMPTS) throw error;
      }
    }
  }

  async #read(name: string, known: FoundFile | undefined): Promise<Buffer | undefined> {
    const found = known ?? (await this.#share.lookup(name));
    if (found === undefined || found.attributes.type !== 'file') return undefined;
    const { size } = await this.#share.attributes(found.handle);
    if (size > RECORD_FILE_BYTES) return undefined;
    const content = Buffer.alloc(size);
    if (size === 0) return content;
    const file = await this.#open(name, found, false);
    try {
      await file.read(content, 0);
    } finally {
      await file.close();
    }
    return content;
  }

  /** @param temporary a name that nobody else uses; what has it is overwritten */
  async replace(name: string, temporary: string, content: Buffer): Promise<void> {
    await this.#share.remove(temporary);
    const found = await this.#share.create(temporary, createVerifier(temporary, String(content)));
    await this.#fill(temporary, found, content);
    await this.#share.rename(temporary, name, found.attributes.fileId);
  }

  /** Writes into a file that `create` has made. */
  async #fill(name: string, found: FoundFile, content: Buffer): Promise<void> {
    const file = await this.#open(name, found, true);
    try {
      await file.write(content, 0, true);
    } finally {
      await file.close();
    }
  }

  async #open(name: string, found: FoundFile, write: boolean): Promise<DataFile> {
    return new DataFile({
      share: this.#share,
      open: await this.#share.open(name, found, write),
      memory: this.#memory,
      readMost: TRANSFER_DEFAULT_BYTES,
      writeMost: TRANSFER_DEFAULT_BYTES,
      onBroken: () => undefined,
    });
  }
}
