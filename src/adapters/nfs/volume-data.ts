/** The data port: one share for each thread, connected when a volume is first opened; a file for all its handles. */
import { randomUUID } from 'node:crypto';
import type { BlockDevice } from '../../block/index.ts';
import { BlockError } from '../../errors/index.ts';
import type {
  AdapterLog,
  AskControl,
  VolumeData,
  VolumeLocator,
} from '../../repositories/index.ts';
import { DataFile } from './file/data-file.ts';
import { NfsDevice } from './file/device.ts';
import { Sharing } from './file/sharing.ts';
import { WriteMemory } from './file/write-memory.ts';
import { COMMIT_IDLE_MS, TRANSFER_BYTES, TRANSFER_DEFAULT_BYTES } from './limits.ts';
import { mountShare } from './mount-share.ts';
import { NFS_ADAPTER } from './names.ts';
import { sharingOf } from './questions.ts';
import { RepositoryFiles } from './repository-file.ts';
import type { Time } from './rpc/time.ts';
import { type NfsSettings, shareOptions } from './settings.ts';
import { blockErrorOf } from './share/nfs-error.ts';
import type { NfsShare } from './share/share.ts';
import { generationOf, isVolumeFile, parseSidecar, sidecarFile, sizeOf } from './volume-files.ts';
import type { FoundFile } from './wire/attributes.ts';

interface SharedFile {
  readonly file: DataFile;
  readonly sharing: Sharing;
  /** Others may be told that this port has it open no more. Again: fine. */
  readonly leave: () => Promise<void>;
  users: number;
  /** Set when the last user has gone. */
  closing: Promise<void> | undefined;
}

export interface NfsVolumeDataParts {
  readonly settings: NfsSettings;
  readonly time: Time;
  /** In [0, 1). */
  readonly random: () => number;
  readonly log: AdapterLog;
  readonly ask: AskControl;
  readonly memory?: WriteMemory;
}

export class NfsVolumeData implements VolumeData {
  readonly #parts: NfsVolumeDataParts;
  readonly #memory: WriteMemory;
  readonly #port = randomUUID();
  readonly #files = new Map<string, Promise<SharedFile>>();
  #share: Promise<NfsShare> | undefined;
  #cancelCommit: (() => void) | undefined;

  constructor(parts: NfsVolumeDataParts) {
    this.#parts = parts;
    this.#memory = parts.memory ?? new WriteMemory();
  }

  async open(locator: VolumeLocator, options: { readonly write: boolean }): Promise<BlockDevice> {
    const { path, fileId, generation } = locator.address;
    if (locator.adapter !== NFS_ADAPTER || typeof path !== 'string' || !isVolumeFile(path)) {
      throw new BlockError('EINVAL', 'open', 0, 0, `not a volume on NFS: ${locator.volume}`);
    }
    try {
      const share = await this.#connected();
      const found = await share.lookup(path);
      const same = fileId === undefined || found?.attributes.fileId === fileId;
      const size =
        found !== undefined && same
          ? await this.#sizeOf(share, path, found, generation)
          : undefined;
      if (found === undefined || size === undefined) {
        throw new BlockError('ESTALE', 'open', 0, 0, `${path} is gone, or another file now`);
      }
      return await this.#device(share, path, found, size, options.write);
    } catch (error) {
      throw blockErrorOf(error, 'open', 0, 0);
    }
  }

  async close(): Promise<void> {
    this.#cancelCommit?.();
    const share = await this.#share?.catch(() => undefined);
    this.#share = undefined;
    await share?.close();
    // What handles that are still open keep can be written by nobody any more: nobody may wait for it.
    const files = await Promise.allSettled(this.#files.values());
    for (const file of files) {
      if (file.status === 'rejected') continue;
      file.value.sharing.settled();
      await file.value.leave();
    }
  }

  /** The number of a file is given to another one soon: the sidecar says which it is. undefined: not the one that is meant. */
  async #sizeOf(
    share: NfsShare,
    path: string,
    { attributes }: FoundFile,
    generation: string | number | undefined,
  ): Promise<number | undefined> {
    if (generation === undefined) return attributes.size;
    const content = await new RepositoryFiles(share, this.#memory).read(sidecarFile(path));
    const sidecar = content === undefined ? undefined : parseSidecar(content);
    const still = generation === generationOf(attributes, sidecar);
    return still ? sizeOf(attributes, sidecar) : undefined;
  }

  #connected(): Promise<NfsShare> {
    if (this.#share === undefined) {
      const { settings, time, random, log } = this.#parts;
      const share = mountShare(settings.version, {
        ...shareOptions(settings, time, random, 'data'),
        onLost: (reason) =>
          log.warn({ server: settings.server, reason: reason.message }, 'lost an NFS connection'),
      });
      this.#share = share;
      share.catch(() => {
        if (this.#share === share) this.#share = undefined;
      });
    }
    return this.#share;
  }

  async #device(
    share: NfsShare,
    path: string,
    found: FoundFile,
    size: number,
    write: boolean,
  ): Promise<BlockDevice> {
    const key = `${found.handle.toString('hex')} ${write}`;
    const shared = await this.#use(key, share, path, found, write);
    return new NfsDevice({
      file: shared.file,
      size,
      write,
      attributes: () => share.attributes(found.handle),
      release: () => this.#release(key, shared),
    });
  }

  async #use(
    key: string,
    share: NfsShare,
    path: string,
    found: FoundFile,
    write: boolean,
  ): Promise<SharedFile> {
    for (;;) {
      const making = this.#files.get(key);
      if (making === undefined) return this.#begin(key, this.#make(share, path, found, write));
      const shared = await making;
      if (shared.closing === undefined) {
        shared.users += 1;
        return shared;
      }
      // What it has not committed must not be written again over what the next one writes.
      await shared.closing.catch(() => undefined);
    }
  }

  #begin(key: string, making: Promise<SharedFile>): Promise<SharedFile> {
    this.#files.set(key, making);
    making.catch(() => this.#files.delete(key));
    return making;
  }

  async #make(
    share: NfsShare,
    path: string,
    found: FoundFile,
    write: boolean,
  ): Promise<SharedFile> {
    const { sharing, leave } = await this.#join(path, found.attributes.fileId);
    try {
      const file = await this.#openFile(share, path, found, { write, sharing });
      this.#commitNowAndThen();
      return { file, sharing, leave, users: 1, closing: undefined };
    } catch (error) {
      await leave();
      throw error;
    }
  }

  /** From now on everybody who has the file open knows of us. Settles when nothing of theirs can get lost any more. */
  async #join(
    path: string,
    file: string,
  ): Promise<{ sharing: Sharing; leave: () => Promise<void> }> {
    const { ask, settings, time } = this.#parts;
    const port = this.#port;
    const sharing = new Sharing(sharingOf(await ask({ ask: 'join', port, file })));
    let left = false;
    const leave = async (): Promise<void> => {
      if (left) return;
      left = true;
      await ask({ ask: 'leave', port, file }).catch(() => undefined); // detached: nobody counts any more
    };
    if (await sharing.othersAreStable(settings.patience, time.now)) return { sharing, leave };
    await leave();
    const message = `${path} is open elsewhere, and what was written there cannot be made stable`;
    throw new BlockError('ETIMEDOUT', 'open', 0, 0, message);
  }

  async #openFile(
    share: NfsShare,
    path: string,
    found: FoundFile,
    { write, sharing }: { readonly write: boolean; readonly sharing: Sharing },
  ): Promise<DataFile> {
    const { settings, log } = this.#parts;
    const limits = await share.limits();
    return new DataFile({
      share,
      open: await share.open(path, found, write),
      sharing,
      memory: this.#memory,
      readMost: transferBytes(settings.readMost, limits.readMost, limits.readBest),
      writeMost: transferBytes(settings.writeMost, limits.writeMost, limits.writeBest),
      onBroken: (error) =>
        log.error(
          { file: path, reason: error.message },
          'written data is lost: it cannot be made stable any more',
        ),
    });
  }

  async #release(key: string, shared: SharedFile): Promise<void> {
    shared.users -= 1;
    if (shared.users > 0) return;
    shared.closing = shared.file
      .close()
      .finally(shared.leave)
      .finally(() => this.#files.delete(key));
    await shared.closing;
  }

  /** A file nobody flushes is not kept in memory for ever. */
  #commitNowAndThen(): void {
    this.#cancelCommit ??= this.#parts.time.after(COMMIT_IDLE_MS, () => {
      this.#cancelCommit = undefined;
      if (this.#files.size === 0) return;
      this.#memory.commitAll();
      this.#commitNowAndThen();
    });
  }
}

/** @param wanted by the settings */
export function transferBytes(wanted: number | undefined, most: number, best: number): number {
  const limit = most > 0 ? Math.min(most, TRANSFER_BYTES) : TRANSFER_DEFAULT_BYTES;
  const liked = wanted ?? (best > 0 ? best : limit);
  // XDR pads what is no multiple of four.
  return Math.max(512, Math.min(liked, limit) & ~3);
}
