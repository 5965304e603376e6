/** The core of the control port: a file and a target a volume. */
import { writeFile } from 'node:fs/promises';
import type { KeyedMutex } from '../../base/index.ts';
import { ArrayError } from '../../errors/index.ts';
import {
  type ArrayRef,
  type ArrayVolume,
  type CallOptions,
  type CreateVolume,
  checkArrayName,
  type Mutation,
  type Page,
  pageAfter,
} from '../../repositories/index.ts';
import { allocateFile } from './allocate.ts';
import {
  NAME_CHARACTERS,
  PAGE_ITEMS,
  SIZE_GRANULARITY,
  SIZE_MAXIMUM,
  VOLUME_LUN,
} from './limits.ts';
import { TGT_ADAPTER, type TgtSettings } from './settings.ts';
import { type Targets, wwidOf } from './targets.ts';
import { type StoredVolume, storeError, type VolumeStore } from './volume-store.ts';

export interface VolumeParts {
  readonly repositoryId: string;
  readonly settings: TgtSettings;
  readonly store: VolumeStore;
  readonly targets: Targets;
  readonly portals: readonly string[];
  readonly turns: KeyedMutex;
}

export class Volumes {
  readonly #parts: VolumeParts;
  readonly #store: VolumeStore;
  readonly #targets: Targets;

  constructor(parts: VolumeParts) {
    this.#parts = parts;
    this.#store = parts.store;
    this.#targets = parts.targets;
  }

  create(request: CreateVolume, options?: CallOptions): Promise<ArrayVolume> {
    const size = roundedSize(request.size);
    const { tag, name, thin } = request;
    checkArrayName(name, { nameLength: NAME_CHARACTERS });
    return this.#turn(`create volume ${name}`, async () => {
      if (options?.signal?.aborted === true) {
        throw new ArrayError('CANCELLED', `creating ${name} was cancelled`);
      }
      const there = this.#tagged(tag);
      if (there !== undefined && (there.size !== size || there.thin !== thin)) {
        const message = `volume ${there.name} exists with ${there.size} bytes`;
        throw new ArrayError('ALREADY_EXISTS_DIFFERENT', message, { field: 'size', value: size });
      }
      const volume = there ?? (await this.#make({ tag, name, thin, size }, options));
      await this.#targets.mend(volume);
      return this.#shown(volume);
    });
  }

  /** It exists with its description, whatever the daemon says afterwards. */
  async #make(
    wanted: Pick<StoredVolume, 'tag' | 'name' | 'thin' | 'size'>,
    options?: CallOptions,
  ): Promise<StoredVolume> {
    const id = this.#store.newId();
    const tid = await this.#targets.freeTid();
    const path = this.#store.dataPath(id);
    const iqn = `${this.#parts.settings.iqnPrefix}:${id}`;
    const volume = { ...wanted, id, tid, iqn, mappings: [] };
    try {
      await writeFile(path, '', { mode: 0o600 });
      await allocateFile(path, { ...wanted, before: 0, signal: options?.signal });
      await this.#store.put(volume);
    } catch (error) {
      await this.#store.remove(id).catch(() => undefined); // or the next attach removes it
      throw error;
    }
    return volume;
  }

  remove(request: Mutation & { readonly ref: ArrayRef }, options?: CallOptions): Promise<void> {
    return this.#turn(`delete volume ${request.ref.name}`, async () => {
      if (options?.signal?.aborted === true) {
        throw new ArrayError('CANCELLED', `deleting ${request.ref.name} was cancelled`);
      }
      const volume = this.#store.get(request.ref.nativeId);
      if (volume === undefined) return;
      const refs = volume.mappings.map(({ host }) => host);
      if (refs.length > 0 || this.#targets.isPassing(volume.id)) {
        throw new ArrayError('IN_USE', `volume ${volume.name} is mapped`, { refs });
      }
      await this.#targets.remove(volume);
      await this.#store.remove(volume.id);
    });
  }

  /**
   * tgtd sees a file's new size only when the LUN is closed and opened again, and commands that come in between fail. So
   * nobody may be connected.
   */
  resize(
    request: Mutation & { readonly ref: ArrayRef; readonly size: number },
    options?: CallOptions,
  ): Promise<ArrayVolume> {
    const size = roundedSize(request.size);
    return this.#turn(`resize volume ${request.ref.name}`, async () => {
      const volume = this.#ofRef(request.ref);
      if (size < volume.size) {
        const message = `volume ${volume.name} has ${volume.size} bytes and is not made smaller`;
        throw new ArrayError('SHRINK_REFUSED', message, { field: 'size', value: request.size });
      }
      if (size === volume.size) return this.#shown(volume);
      const sessions = await this.#targets.sessions(volume, undefined);
      if (sessions.length > 0) {
        const refs = sessions.map(({ initiator }) => initiator);
        throw new ArrayError('IN_USE', `volume ${volume.name} is open`, { refs });
      }
      const { thin, size: before } = volume;
      const path = this.#store.dataPath(volume.id);
      await allocateFile(path, { before, size, thin, signal: options?.signal });
      const grown = { ...volume, size };
      await this.#store.put(grown);
      await this.#targets.reopen(grown);
      return this.#shown(grown);
    });
  }

  async find(
    by: { readonly ref: ArrayRef } | { readonly tag: string },
  ): Promise<ArrayVolume | undefined> {
    const volume = 'ref' in by ? this.#store.get(by.ref.nativeId) : this.#tagged(by.tag);
    return volume === undefined ? undefined : this.#shown(volume);
  }

  async list(query: {
    readonly ownedOnly: boolean;
    readonly cursor?: string;
  }): Promise<Page<ArrayVolume>> {
    const page = pageAfter(this.#store.all, ({ id }) => id, query.cursor, PAGE_ITEMS);
    const items = await Promise.all(page.items.map((volume) => this.#shown(volume)));
    return { items, cursor: page.cursor };
  }

  #tagged(tag: string): StoredVolume | undefined {
    return this.#store.all.find((volume) => volume.tag === tag);
  }

  #ofRef(ref: ArrayRef): StoredVolume {
    const volume = this.#store.get(ref.nativeId);
    if (volume !== undefined) return volume;
    throw new ArrayError('NOT_FOUND', `there is no volume ${ref.name}`);
  }

  async #shown(volume: StoredVolume): Promise<ArrayVolume> {
    const { id, iqn, name } = volume;
    const wwid = wwidOf(id);
    const portals = this.#parts.portals.join(' ');
    return {
      ref: { kind: 'volume', nativeId: id, name },
      tag: volume.tag,
      size: volume.size,
      allocated: await this.#store.allocated(id),
      thin: volume.thin,
      wwid,
      parent: undefined,
      locator: {
        adapter: TGT_ADAPTER,
        repository: this.#parts.repositoryId,
        volume: id,
        address: { portals, iqn, lun: VOLUME_LUN, wwid },
      },
    };
  }

  #turn<T>(what: string, work: () => Promise<T>): Promise<T> {
    return this.#parts.turns.run('tgt', async () => {
      try {
        return await work();
      } catch (error) {
        throw storeError(error, `cannot ${what}`);
      }
    });
  }
}

/** Up to whole blocks. @throws ArrayError OUT_OF_RANGE, INVALID_ARGUMENT */
function roundedSize(size: number): number {
  if (!Number.isSafeInteger(size) || size < 1) {
    const details = { field: 'size', value: size };
    throw new ArrayError('INVALID_ARGUMENT', `a volume cannot have ${size} bytes`, details);
  }
  const rounded = Math.ceil(size / SIZE_GRANULARITY) * SIZE_GRANULARITY;
  if (rounded <= SIZE_MAXIMUM) return rounded;
  const details = { field: 'size', value: size, expected: `at most ${SIZE_MAXIMUM}` };
  throw new ArrayError('OUT_OF_RANGE', `${size} bytes are too many for a volume`, details);
}
