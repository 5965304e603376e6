/**
 * The control port of a folder on an NFS server. What it changes it changes so that a call that was interrupted, at any
 * point, is completed by the same call again: the sidecar with the tag comes first, then the file (by an exclusive
 * CREATE, whose verifier is made of an id in the sidecar), then the sidecar that says `ready`.
 */
import { randomUUID } from 'node:crypto';
import { KeyedMutex } from '../../base/index.ts';
import { MAXIMUM_DEVICE_BYTES } from '../../block/index.ts';
import { ArrayError } from '../../errors/index.ts';
import {
  type ArrayControl,
  type ArrayHealth,
  type ArrayInfo,
  type ArrayRef,
  type ArrayVolume,
  type CallOptions,
  type CreateVolume,
  checkNotCancelled,
  type Mutation,
  type Page,
  type RepositorySpace,
  roundedSize,
} from '../../repositories/index.ts';
import { asArrayErrors, isEnd } from './array-error-of.ts';
import { NFS_CAPABILITIES } from './capabilities.ts';
import type { WriteMemory } from './file/write-memory.ts';
import { fillWithZeroes } from './fill.ts';
import { folderHealth } from './health.ts';
import { VOLUMES_IN_PAGE } from './limits.ts';
import { checkOwner, type Marker } from './marker.ts';
import { cursorBehind, nameOfCursor } from './page-cursor.ts';
import { OpenFiles } from './questions.ts';
import { createVerifier, RepositoryFiles } from './repository-file.ts';
import { isStatus, NFS_STATUS } from './share/nfs-error.ts';
import type { NfsShare } from './share/share.ts';
import {
  deletedFile,
  encodeSidecar,
  generationOf,
  isVolumeFile,
  NAME_ROOM,
  type Sidecar,
  sidecarFile,
  sizeOf,
  temporaryFile,
  VOLUME_NAME_BYTES,
  volumeFile,
  volumeOf,
} from './volume-files.ts';
import { VolumeIndex } from './volume-index.ts';
import type { FoundFile } from './wire/attributes.ts';

/** Sizes are rounded up to it: what every guest takes for a sector. */
const SIZE_GRANULARITY = 512;

export interface NfsControlParts {
  readonly share: NfsShare;
  readonly memory: WriteMemory;
  readonly marker: Marker;
  readonly server: string;
  /** Of the file system. */
  readonly serial: string;
  /** Bytes of the largest file, and of the longest name. */
  readonly fileMost: number;
  readonly longestName: number;
}

export class NfsArrayControl implements ArrayControl {
  readonly info: ArrayInfo;
  readonly snapshots = undefined;
  readonly clones = undefined;
  readonly masking = undefined;
  readonly replication = undefined;
  readonly #parts: NfsControlParts;
  readonly #share: NfsShare;
  readonly #files: RepositoryFiles;
  readonly #index: VolumeIndex;
  readonly #openFiles = new OpenFiles();
  /** One change at a time: names and tags are looked up and then taken. */
  readonly #mutex = new KeyedMutex();

  constructor(parts: NfsControlParts) {
    this.#parts = parts;
    this.#share = parts.share;
    this.#files = new RepositoryFiles(parts.share, parts.memory);
    this.#index = new VolumeIndex(parts.share, this.#files);
    const most = parts.fileMost > 0 ? parts.fileMost : MAXIMUM_DEVICE_BYTES;
    this.info = {
      vendor: 'NFS',
      product: `NFS server ${parts.server}`,
      version: parts.share.version === 3 ? '3' : '4.0',
      serial: parts.serial,
      capabilities: NFS_CAPABILITIES,
      limits: {
        sizeGranularity: SIZE_GRANULARITY,
        sizeMinimum: SIZE_GRANULARITY,
        sizeMaximum: roundDown(Math.min(most, MAXIMUM_DEVICE_BYTES)),
        nameLength: Math.min(VOLUME_NAME_BYTES, parts.longestName - NAME_ROOM),
      },
    };
  }

  space(): Promise<RepositorySpace> {
    return asArrayErrors('looking for space', false, async () => {
      const { total, free } = await this.#share.space();
      return { total, free };
    });
  }

  health(): Promise<ArrayHealth> {
    const { server, marker } = this.#parts;
    return folderHealth(this.#share, server, () => checkOwner(this.#files, marker));
  }

  createVolume(request: CreateVolume, options: CallOptions = {}): Promise<ArrayVolume> {
    const { tag, thin, name } = request;
    return this.#change(`creating volume ${name}`, options, async () => {
      const size = roundedSize(request.size, this.info.limits);
      const known = await this.#index.fileOf(tag);
      const file = known ?? volumeFile(name);
      const found = await this.#share.lookup(file);
      const sidecar = await this.#index.sidecarOf(file);
      if (sidecar !== undefined ? sidecar.tag !== tag : found !== undefined) {
        throw new ArrayError('ALREADY_EXISTS_DIFFERENT', `there is a volume ${name} already`);
      }
      const ready = sidecar !== undefined && sidecar.state !== 'making' && found !== undefined;
      const there = ready
        ? sizeOf(found.attributes, sidecar)
        : sidecar?.state === 'making'
          ? sidecar.size
          : size;
      if (there !== size || (sidecar !== undefined && sidecar.thin !== thin)) {
        const message = `the tag has a volume of ${there} bytes that is ${sidecar?.thin === true ? 'thin' : 'thick'}`;
        throw new ArrayError('ALREADY_EXISTS_DIFFERENT', message, { value: tag });
      }
      if (ready) return volumeOf(this.#repository, file, found.attributes, sidecar);
      const id = sidecar?.id ?? randomUUID();
      return this.#make(file, { format: 1, tag, id, thin, size, state: 'making' }, options);
    });
  }

  deleteVolume(
    { ref }: Mutation & { readonly ref: ArrayRef },
    options: CallOptions = {},
  ): Promise<void> {
    return this.#change(`deleting volume ${ref.name}`, options, async () => {
      const file = ref.nativeId;
      const found = await this.#find(ref);
      if (found === undefined) {
        // Gone, or only its sidecar is left of an interrupted call. Another file of that name is left alone.
        if (isVolumeFile(file) && (await this.#share.lookup(file)) === undefined) {
          await this.#forget(file);
        }
        return;
      }
      // A name that nobody opens any more, and that no retry can mistake for another volume.
      const { fileId } = found.attributes;
      await this.#share.rename(file, deletedFile(file, fileId), fileId);
      await this.#forget(file);
      await this.#share.remove(deletedFile(file, fileId));
    });
  }

  resizeVolume(
    request: Mutation & { readonly ref: ArrayRef; readonly size: number },
    options: CallOptions = {},
  ): Promise<ArrayVolume> {
    const { ref } = request;
    return this.#change(`resizing volume ${ref.name}`, options, async () => {
      const size = roundedSize(request.size, this.info.limits);
      const found = await this.#find(ref);
      if (found === undefined) throw gone(ref);
      const sidecar = await this.#index.sidecarOf(ref.nativeId);
      const before = sizeOf(found.attributes, sidecar);
      if (size < before) {
        const message = `volume ${ref.name} has ${before} bytes already`;
        throw new ArrayError('SHRINK_REFUSED', message, { field: 'size', value: request.size });
      }
      if (sidecar?.thin !== false) {
        if (size > before) await this.#share.setSize(found.handle, size);
        return this.#show(ref.nativeId, sidecar);
      }
      if (size === before && sidecar.state === 'ready') return this.#show(ref.nativeId, sidecar);
      const growing: Sidecar = { ...sidecar, size: before, state: 'growing' };
      return this.#growThick(ref.nativeId, found, growing, size, options);
    });
  }

  findVolume(
    by: { readonly ref: ArrayRef } | { readonly tag: string },
  ): Promise<ArrayVolume | undefined> {
    return asArrayErrors('looking for a volume', false, async () => {
      const file = 'tag' in by ? await this.#index.fileOf(by.tag) : by.ref.nativeId;
      if (file === undefined) return undefined;
      const found = await ('tag' in by ? this.#share.lookup(file) : this.#find(by.ref));
      const sidecar = await this.#index.sidecarOf(file);
      if (found === undefined || sidecar?.state === 'making') return undefined;
      return volumeOf(this.#repository, file, found.attributes, sidecar);
    });
  }

  listVolumes(query: {
    readonly ownedOnly: boolean;
    readonly cursor?: string;
  }): Promise<Page<ArrayVolume>> {
    return asArrayErrors('listing volumes', false, async () => {
      const items: ArrayVolume[] = [];
      const after = query.cursor === undefined ? '' : nameOfCursor(query.cursor);
      for (const entry of await this.#index.imageFiles()) {
        const { name } = entry;
        if (name <= after) continue;
        const sidecar = await this.#index.sidecarOf(name);
        if (sidecar?.state === 'making' || (query.ownedOnly && sidecar?.tag === undefined))
          continue;
        const last = items.at(-1);
        if (last !== undefined && items.length === VOLUMES_IN_PAGE) {
          return { items, cursor: cursorBehind(last.ref.nativeId) };
        }
        const attributes = entry.attributes ?? (await this.#share.lookup(name))?.attributes;
        if (attributes?.type !== 'file') continue;
        items.push(volumeOf(this.#repository, name, attributes, sidecar));
      }
      return { items, cursor: undefined };
    });
  }

  adoptVolume(
    request: Mutation & { readonly ref: ArrayRef; readonly tag: string },
  ): Promise<ArrayVolume> {
    const { ref, tag } = request;
    const file = ref.nativeId;
    return this.#change(`adopting ${ref.name}`, {}, async () => {
      const found = await this.#find(ref);
      if (found === undefined) throw gone(ref);
      const sidecar = await this.#index.sidecarOf(file);
      const other = await this.#index.fileOf(tag);
      const mine = sidecar?.tag;
      if ((mine !== undefined && mine !== tag) || (other !== undefined && other !== file)) {
        const message = mine === undefined ? `the tag is that of ${other}` : 'it has another tag';
        throw new ArrayError('ALREADY_MANAGED', message, { value: tag });
      }
      const { size, used } = found.attributes;
      const foreign = {
        format: 1,
        id: undefined,
        thin: used < size,
        size,
        state: 'ready',
      } as const;
      const ours: Sidecar = { ...(sidecar ?? foreign), tag };
      if (mine === undefined) await this.#record(file, ours);
      return this.#show(file, ours);
    });
  }

  releaseVolume({ ref }: Mutation & { readonly ref: ArrayRef }): Promise<void> {
    return this.#change(`releasing ${ref.name}`, {}, async () => {
      const sidecar = await this.#index.sidecarOf(ref.nativeId);
      if (sidecar?.tag === undefined || (await this.#find(ref)) === undefined) return;
      // One that we made keeps what tells it from another one of its name.
      if (sidecar.id === undefined) await this.#forget(ref.nativeId);
      else await this.#record(ref.nativeId, { ...sidecar, tag: undefined });
    });
  }

  answer = async (question: unknown): Promise<unknown> => this.#openFiles.answer(question);

  close(): Promise<void> {
    return this.#share.close();
  }

  get #repository(): string {
    return this.#parts.marker.repositoryId;
  }

  /** One at a time, and only while the repository is ours. */
  #change<T>(what: string, { signal }: CallOptions, work: () => Promise<T>): Promise<T> {
    return this.#mutex.run('', () =>
      asArrayErrors(what, true, async () => {
        checkNotCancelled(signal);
        try {
          await checkOwner(this.#files, this.#parts.marker);
          return await work();
        } catch (error) {
          this.#index.forget(); // how far it came is read again
          throw error;
        }
      }),
    );
  }

  async #find(ref: ArrayRef): Promise<FoundFile | undefined> {
    if (!isVolumeFile(ref.nativeId)) return undefined;
    const found = await this.#share.lookup(ref.nativeId);
    if (found?.attributes.type !== 'file') return undefined;
    if (ref.generation === undefined) return found;
    const sidecar = await this.#index.sidecarOf(ref.nativeId);
    return ref.generation === generationOf(found.attributes, sidecar) ? found : undefined;
  }

  async #show(file: string, sidecar: Sidecar | undefined): Promise<ArrayVolume> {
    const found = await this.#share.lookup(file);
    if (found === undefined) throw new ArrayError('NOT_FOUND', `${file} is gone`);
    return volumeOf(this.#repository, file, found.attributes, sidecar);
  }

  async #make(file: string, making: Sidecar, options: CallOptions): Promise<ArrayVolume> {
    const { id = '', thin, size } = making;
    if (!thin && (await this.#share.space()).free < size) {
      throw new ArrayError('NO_SPACE', `there is no room for ${size} bytes`);
    }
    await this.#record(file, making);
    try {
      const found = await this.#createFile(file, id);
      if (found.attributes.size !== size) await this.#share.setSize(found.handle, size);
      if (!thin) await this.#fill(file, found, 0, size, options);
    } catch (error) {
      if (isEnd(error)) {
        await this.#share.remove(file);
        await this.#forget(file);
      }
      throw error;
    }
    const ready: Sidecar = { ...making, state: 'ready' };
    await this.#record(file, ready);
    return this.#show(file, ready);
  }

  /** Its zeroes are there before its new size is. What an earlier attempt has left behind its end is written again. */
  async #growThick(
    file: string,
    found: FoundFile,
    growing: Sidecar,
    size: number,
    options: CallOptions,
  ): Promise<ArrayVolume> {
    await this.#record(file, growing);
    try {
      await this.#fill(file, found, growing.size, size, options);
    } catch (error) {
      if (isEnd(error)) {
        await this.#share.setSize(found.handle, growing.size);
        await this.#record(file, { ...growing, state: 'ready' });
      }
      throw error;
    }
    await this.#share.setSize(found.handle, size);
    const ready: Sidecar = { ...growing, size, state: 'ready' };
    await this.#record(file, ready);
    return this.#show(file, ready);
  }

  /** The file that an earlier attempt has made, whatever became of its answer, is ours: the sidecar says so. */
  async #createFile(file: string, id: string): Promise<FoundFile> {
    try {
      return await this.#share.create(file, createVerifier(this.#repository, id));
    } catch (error) {
      if (!isStatus(error, NFS_STATUS.EXIST)) throw error;
      const found = await this.#share.lookup(file);
      if (found === undefined) throw error;
      return found;
    }
  }

  #fill(file: string, found: FoundFile, start: number, end: number, options: CallOptions) {
    const { memory } = this.#parts;
    return fillWithZeroes(this.#share, memory, { file, found, start, end }, options);
  }

  async #record(file: string, sidecar: Sidecar): Promise<void> {
    await this.#files.replace(sidecarFile(file), temporaryFile(file), encodeSidecar(sidecar));
    this.#index.set(file, sidecar);
  }

  async #forget(file: string): Promise<void> {
    await this.#share.remove(sidecarFile(file));
    this.#index.set(file, undefined);
  }
}

function gone(ref: ArrayRef): ArrayError {
  return new ArrayError('NOT_FOUND', `there is no volume ${ref.name}`);
}

function roundDown(bytes: number): number {
  return Math.floor(bytes / SIZE_GRANULARITY) * SIZE_GRANULARITY;
}
