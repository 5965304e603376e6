/**
 * A folder as an array: each volume a sparse file and its sidecar. Where the file system shares blocks between files
 * (reflink.ts) it has snapshots and clones; elsewhere our layers do that above it.
 */
import { randomUUID } from 'node:crypto';
import { access, constants, open, statfs, truncate } from 'node:fs/promises';
import { forEachOf, syncPath } from '../../base/index.ts';
import { ArrayError } from '../../errors/index.ts';
import {
  type ArrayControl,
  type ArrayHealth,
  type ArrayInfo,
  type ArrayRef,
  type ArrayVolume,
  type CallOptions,
  type CloneControl,
  type CreateVolume,
  checkArrayName,
  checkGrows,
  type Mutation,
  type Page,
  pageAfter,
  type RepositorySpace,
  roundedSize,
  type SnapshotControl,
} from '../../repositories/index.ts';
import { allocate } from './allocate.ts';
import type { AttachedFolder, StoredVolume } from './attached-folder.ts';
import { LIST_PAGE_ITEMS, NEARLY_FULL_FRACTION, VOLUMES_SHOWN_AT_ONCE } from './limits.ts';
import { localClones } from './local-clones.ts';
import { localSnapshots } from './local-snapshots.ts';
import { checkUnused } from './open-files.ts';
import { VOLUME_ENDING } from './volume-path.ts';

export class LocalArray implements ArrayControl {
  readonly info: ArrayInfo;
  readonly snapshots: SnapshotControl | undefined;
  readonly clones: CloneControl | undefined;
  readonly masking = undefined;
  readonly replication = undefined;
  readonly #folder: AttachedFolder;

  constructor(folder: AttachedFolder) {
    this.#folder = folder;
    this.info = folder.info;
    this.snapshots = folder.can('snapshot') ? localSnapshots(folder) : undefined;
    this.clones = folder.can('cloneLinked') ? localClones(folder) : undefined;
  }

  space(): Promise<RepositorySpace & { readonly provisioned: number }> {
    return this.#folder.ask('space', async () => {
      const { bsize, blocks, bavail } = await statfs(this.#folder.folder);
      const volumes = await this.#folder.store.all('volume');
      const provisioned = volumes.reduce((sum, { sidecar }) => sum + sidecar.size, 0);
      return { total: blocks * bsize, free: bavail * bsize, provisioned };
    });
  }

  health(): Promise<ArrayHealth> {
    const { folder, store } = this.#folder;
    return this.#folder.ask('health', async () => {
      const paths = (up: boolean): ArrayHealth['paths'] => [{ name: folder, up }];
      try {
        await this.#folder.checkOurs();
      } catch (error) {
        const message = error instanceof Error ? error.message : String(error);
        return { state: 'failed', messages: [message], paths: paths(false) };
      }
      const messages: string[] = [];
      const writable = await access(folder, constants.W_OK).then(
        () => true,
        () => false,
      );
      if (!writable) messages.push(`${folder} can only be read`);
      for (const volume of await store.all('volume')) {
        const shown = await this.#folder.showVolume(volume);
        const { name, size } = volume.sidecar;
        if (shown === undefined) messages.push(`the file of volume ${name} is gone`);
        else if (shown.size < size) messages.push(`the file of volume ${name} has become shorter`);
      }
      for (const file of store.damaged) messages.push(`what is known of ${file} is damaged`);
      const { total, free } = await this.space();
      if (free < total * NEARLY_FULL_FRACTION) messages.push(`${folder} is nearly full`);
      const state = writable ? (messages.length > 0 ? 'degraded' : 'good') : 'failed';
      return { state, messages, paths: paths(true) };
    });
  }

  createVolume(request: CreateVolume, options?: CallOptions): Promise<ArrayVolume> {
    const { tag, name, thin } = request;
    return this.#folder.change(`cannot create volume ${name}`, tag, options, async () => {
      const size = roundedSize(request.size, this.info.limits);
      checkArrayName(name, this.info.limits);
      const there = await this.#findByTag(tag);
      if (there !== undefined) {
        const shown = await this.#folder.presentVolume(there);
        if (shown.size === size && shown.thin === thin) return shown;
        throw new ArrayError(
          'ALREADY_EXISTS_DIFFERENT',
          `there is a volume ${shown.ref.name} with this tag and another size or thinness`,
        );
      }
      if (!thin) this.#folder.need('thick', 'thick volumes');
      const file = name + VOLUME_ENDING;
      const sidecar = {
        ...({ kind: 'volume', id: randomUUID(), name, tag, thin, size } as const),
        ...{ createdAt: Date.now(), parent: undefined },
      };
      await this.#folder.store.make(file, sidecar, async (path) => {
        const handle = await open(path, 'wx', 0o640);
        await handle.close();
        if (!thin) await allocateAll(path, size);
        await truncate(path, size);
      });
      return await this.#folder.presentVolume({ file, sidecar });
    });
  }

  deleteVolume(
    { ref }: Mutation & { readonly ref: ArrayRef },
    options?: CallOptions,
  ): Promise<void> {
    return this.#folder.change(
      `cannot delete volume ${ref.name}`,
      ref.nativeId,
      options,
      async () => {
        const volume = await this.#folder.findVolume(ref.nativeId);
        if (volume === undefined) {
          if ((await this.#stranger(ref)) === undefined) return;
          const message = `${ref.name} is no volume of this repository: adopt it first`;
          throw new ArrayError('PERMISSION_DENIED', message, { field: 'ref' });
        }
        await checkUnused(this.#folder.path(volume.file), `volume ${ref.name}`);
        await this.#folder.store.remove(volume);
      },
    );
  }

  resizeVolume(
    request: Mutation & { readonly ref: ArrayRef; readonly size: number },
    options?: CallOptions,
  ): Promise<ArrayVolume> {
    const { ref } = request;
    return this.#folder.change(
      `cannot grow volume ${ref.name}`,
      ref.nativeId,
      options,
      async () => {
        const size = roundedSize(request.size, this.info.limits);
        const volume = await this.#folder.volume(ref);
        const shown = await this.#folder.presentVolume(volume);
        checkGrows(size, shown.size);
        if (size > shown.size) {
          const path = this.#folder.path(volume.file);
          if (!volume.sidecar.thin) {
            await allocateAll(path, size).catch(async (error: unknown) => {
              await truncate(path, shown.size); // gives back what was reserved beyond the end
              throw error;
            });
          }
          await truncate(path, size);
          await syncPath(path);
        }
        const sidecar = { ...volume.sidecar, size };
        if (volume.sidecar.size !== size) await this.#folder.store.change(volume, sidecar);
        return await this.#folder.presentVolume({ file: volume.file, sidecar });
      },
    );
  }

  findVolume(
    by: { readonly ref: ArrayRef } | { readonly tag: string },
  ): Promise<ArrayVolume | undefined> {
    return this.#folder.ask('cannot look for a volume', async () => {
      const found =
        'tag' in by
          ? await this.#findByTag(by.tag)
          : await this.#folder.findVolume(by.ref.nativeId);
      if (found !== undefined) return await this.#folder.showVolume(found);
      return 'tag' in by ? undefined : (await this.#stranger(by.ref))?.volume;
    });
  }

  listVolumes(query: {
    readonly ownedOnly: boolean;
    readonly cursor?: string;
  }): Promise<Page<ArrayVolume>> {
    return this.#folder.ask('cannot list volumes', async () => {
      // By file name: those that are no volumes yet have no other name that is there for good.
      const ours = new Map<string, StoredVolume>();
      for (const volume of await this.#folder.store.all('volume')) {
        if (volume.sidecar.tag !== undefined || !query.ownedOnly) ours.set(volume.file, volume);
      }
      const strangers = query.ownedOnly ? [] : await this.#folder.store.strangers();
      const files = [...ours.keys(), ...strangers].sort();
      const page = pageAfter(files, (file) => file, query.cursor, LIST_PAGE_ITEMS);
      const shown = new Map<string, ArrayVolume | undefined>();
      await forEachOf(page.items, VOLUMES_SHOWN_AT_ONCE, async (file) => {
        const volume = ours.get(file);
        shown.set(
          file,
          volume === undefined
            ? await this.#folder.showStranger(file)
            : await this.#folder.showVolume(volume),
        );
      });
      return { ...page, items: page.items.flatMap((file) => shown.get(file) ?? []) };
    });
  }

  adoptVolume(
    request: Mutation & { readonly ref: ArrayRef; readonly tag: string },
  ): Promise<ArrayVolume> {
    const { ref, tag } = request;
    return this.#folder.change(`cannot adopt ${ref.name}`, ref.nativeId, undefined, async () => {
      const other = await this.#findByTag(tag);
      if (other !== undefined && other.sidecar.id !== ref.nativeId) {
        const message = `volume ${other.sidecar.name} has this tag`;
        throw new ArrayError('ALREADY_EXISTS_DIFFERENT', message);
      }
      const volume = await this.#folder.findVolume(ref.nativeId);
      if (volume !== undefined) return await this.#setTag(volume, tag);
      const stranger = await this.#stranger(ref);
      if (stranger === undefined) {
        throw new ArrayError('NOT_FOUND', `there is no file ${ref.name}`);
      }
      const { file, volume: shown } = stranger;
      const sidecar = {
        ...({ kind: 'volume', id: shown.ref.nativeId, name: shown.ref.name, tag } as const),
        ...{ thin: shown.thin, size: shown.size, createdAt: Date.now(), parent: undefined },
      };
      await this.#folder.store.describe(file, sidecar);
      return await this.#folder.presentVolume({ file, sidecar });
    });
  }

  releaseVolume({ ref }: Mutation & { readonly ref: ArrayRef }): Promise<void> {
    return this.#folder.change(`cannot release ${ref.name}`, ref.nativeId, undefined, async () => {
      const volume = await this.#folder.findVolume(ref.nativeId);
      if (volume?.sidecar.tag === undefined) return;
      await this.#folder.store.change(volume, { ...volume.sidecar, tag: undefined });
    });
  }

  async close(): Promise<void> {
    this.#folder.close();
  }

  async #setTag(volume: StoredVolume, tag: string): Promise<ArrayVolume> {
    const { file, sidecar } = volume;
    if (sidecar.tag !== undefined && sidecar.tag !== tag) {
      throw new ArrayError('ALREADY_MANAGED', `volume ${sidecar.name} has another tag`);
    }
    const tagged = { ...sidecar, tag };
    if (sidecar.tag !== tag) await this.#folder.store.change(volume, tagged);
    return await this.#folder.presentVolume({ file, sidecar: tagged });
  }

  async #findByTag(tag: string): Promise<StoredVolume | undefined> {
    return (await this.#folder.store.all('volume')).find(({ sidecar }) => sidecar.tag === tag);
  }

  async #stranger(ref: ArrayRef): Promise<{ file: string; volume: ArrayVolume } | undefined> {
    for (const file of await this.#folder.store.strangers()) {
      const volume = await this.#folder.showStranger(file);
      if (volume?.ref.nativeId === ref.nativeId) return { file, volume };
    }
    return undefined;
  }
}

async function allocateAll(path: string, size: number): Promise<void> {
  if (await allocate(path, size)) return;
  throw new ArrayError('UNSUPPORTED', 'this folder has no thick volumes any more');
}
