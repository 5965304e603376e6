/** An attached folder: what the control port and its facets share. */
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { KeyedMutex } from '../../base/index.ts';
import { ArrayError } from '../../errors/index.ts';
import {
  type ArrayInfo,
  type ArrayRef,
  type ArraySnapshot,
  type ArrayVolume,
  type CallOptions,
  type CapabilityFlag,
  checkNotCancelled,
  type VolumeLocator,
} from '../../repositories/index.ts';
import { onFiles } from './array-errors.ts';
import { regularFile } from './durable-files.ts';
import { checkMarker, type Marker } from './folder-marker.ts';
import type { FolderStore, Stored } from './folder-store.ts';
import type { SnapshotSidecar, VolumeSidecar } from './sidecar.ts';
import { LOCAL_ADAPTER, VOLUME_ENDING } from './volume-path.ts';

export type StoredVolume = Stored<VolumeSidecar>;
export type StoredSnapshot = Stored<SnapshotSidecar>;

/** Where the folder is: another one under the same path is another file system that was mounted over it. */
export interface FolderIdentity {
  readonly device: number;
  readonly inode: number;
}

export async function identityOf(folder: string): Promise<FolderIdentity> {
  const { dev, ino } = await stat(folder);
  return { device: dev, inode: ino };
}

export class AttachedFolder {
  readonly store: FolderStore;
  readonly info: ArrayInfo;
  readonly #marker: Marker;
  readonly #identity: FolderIdentity;
  readonly #calls = new KeyedMutex();
  #closed = false;

  constructor(store: FolderStore, info: ArrayInfo, marker: Marker, identity: FolderIdentity) {
    this.store = store;
    this.info = info;
    this.#marker = marker;
    this.#identity = identity;
  }

  get folder(): string {
    return this.store.folder;
  }

  close(): void {
    this.#closed = true;
  }

  can(flag: CapabilityFlag): boolean {
    return this.info.capabilities[flag] !== 'no';
  }

  /** @throws ArrayError UNSUPPORTED */
  need(flag: CapabilityFlag, what: string): void {
    if (!this.can(flag)) throw new ArrayError('UNSUPPORTED', `this folder has no ${what}`);
  }

  /** A call that changes nothing. */
  async ask<T>(what: string, work: () => Promise<T>): Promise<T> {
    this.#checkOpen();
    return await onFiles(what, work);
  }

  /** @param key what is changed: calls for the same run one after the other */
  async change<T>(
    what: string,
    key: string,
    options: CallOptions | undefined,
    work: () => Promise<T>,
  ): Promise<T> {
    this.#checkOpen();
    return await this.#calls.run(key, () =>
      onFiles(what, async () => {
        checkNotCancelled(options?.signal);
        await this.checkOurs();
        return await work();
      }),
    );
  }

  /** @throws ArrayError FENCED, UNREACHABLE */
  async checkOurs(): Promise<void> {
    const now = await identityOf(this.folder).catch(() => undefined);
    const { device, inode } = this.#identity;
    if (now?.device !== device || now.inode !== inode) {
      const message = `${this.folder} is another folder than when it was attached`;
      throw new ArrayError('UNREACHABLE', message);
    }
    await checkMarker(this.folder, this.#marker);
  }

  path(file: string): string {
    return join(this.folder, file);
  }

  /** @throws ArrayError NOT_FOUND */
  async volume(ref: ArrayRef): Promise<StoredVolume> {
    const found = await this.findVolume(ref.nativeId);
    if (found === undefined) throw new ArrayError('NOT_FOUND', `there is no volume ${ref.name}`);
    return found;
  }

  async findVolume(id: string): Promise<StoredVolume | undefined> {
    return (await this.store.all('volume')).find(({ sidecar }) => sidecar.id === id);
  }

  /** @throws ArrayError NOT_FOUND */
  async snapshot(ref: ArrayRef): Promise<StoredSnapshot> {
    const all = await this.store.all('snapshot');
    const found = all.find(({ sidecar }) => sidecar.id === ref.nativeId);
    if (found === undefined) throw new ArrayError('NOT_FOUND', `there is no snapshot ${ref.name}`);
    return found;
  }

  /** undefined: its file is gone. */
  async showVolume({ file, sidecar }: StoredVolume): Promise<ArrayVolume | undefined> {
    const state = await regularFile(this.folder, file);
    if (state === undefined) return undefined;
    const { id, name, tag, thin } = sidecar;
    const parent = sidecar.parent === undefined ? undefined : await this.store.get(sidecar.parent);
    return {
      ref: { kind: 'volume', nativeId: id, name },
      tag,
      size: Number(state.size),
      allocated: Number(state.blocks) * 512,
      thin,
      wwid: id,
      parent:
        parent === undefined
          ? undefined
          : { kind: parent.sidecar.kind, nativeId: parent.sidecar.id, name: parent.sidecar.name },
      locator: this.#locator(file, id, name),
    };
  }

  /** @throws ArrayError NOT_FOUND */
  async presentVolume(stored: StoredVolume): Promise<ArrayVolume> {
    const shown = await this.showVolume(stored);
    if (shown !== undefined) return shown;
    throw new ArrayError('NOT_FOUND', `the file of volume ${stored.sidecar.name} is gone`);
  }

  async showSnapshot({ file, sidecar }: StoredSnapshot): Promise<ArraySnapshot | undefined> {
    const state = await regularFile(this.folder, file);
    if (state === undefined) return undefined;
    const { id, name, tag, volume, createdAt } = sidecar;
    return {
      ref: { kind: 'snapshot', nativeId: id, name },
      tag,
      volume: { kind: 'volume', nativeId: volume.id, name: volume.name },
      createdAt,
      size: Number(state.size),
      unique: undefined,
      locator: this.#locator(file, id, name),
    };
  }

  /** A file that is no volume of ours yet, as one. undefined: it is gone, or no file. */
  async showStranger(file: string): Promise<ArrayVolume | undefined> {
    const state = await regularFile(this.folder, file);
    if (state === undefined || state.size === 0n) return undefined;
    const id = strangerId(state);
    const name = file.endsWith(VOLUME_ENDING) ? file.slice(0, -VOLUME_ENDING.length) : file;
    if (name.length > this.info.limits.nameLength) return undefined;
    return {
      ref: { kind: 'volume', nativeId: id, name },
      tag: undefined,
      size: Number(state.size),
      allocated: Number(state.blocks) * 512,
      thin: state.blocks * 512n < state.size,
      wwid: undefined,
      parent: undefined,
      locator: this.#locator(file, id, name),
    };
  }

  #checkOpen(): void {
    if (this.#closed) throw new ArrayError('UNREACHABLE', 'the repository is not attached');
  }

  #locator(file: string, id: string, volume: string): VolumeLocator {
    const { repositoryId: repository } = this.#marker;
    return { adapter: LOCAL_ADAPTER, repository, volume, address: { file, id } };
  }
}

/** A file's id until it is adopted, and after: an inode is given again, so the time of its birth belongs to it. */
export function strangerId(state: { readonly ino: bigint; readonly birthtimeNs: bigint }): string {
  return `file-${state.ino}-${state.birthtimeNs}`;
}
