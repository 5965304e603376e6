/** Clones: the array's own where it has them, overlays or copies where it has not. */
import type { Call, Storage, StoredVolume, VolumeName } from '../../control/index.ts';
import { Fault } from '../../errors/index.ts';
import type { ArraySnapshot, ArrayVolume } from '../../repositories/index.ts';
import { copyDevice, type NodeVolume, volumeKey, withVolume } from '../../volumes/index.ts';
import type { AttachedArray } from './attached-repositories.ts';
import { objectOf, storedArray, storedLayers } from './handles.ts';
import { NativeMoments, nothingTaken } from './native-moments.ts';
import { Sources } from './sources.ts';
import type { StorageParts } from './storage-parts.ts';
import type { VolumeOperations } from './volume-operations.ts';

type CloneRequest = Parameters<Storage['clone']>[0];

export class CloneOperations {
  readonly #parts: StorageParts;
  readonly #volumes: VolumeOperations;
  readonly #sources: Sources;
  readonly #moments: NativeMoments;

  constructor(parts: StorageParts, volumes: VolumeOperations) {
    this.#parts = parts;
    this.#volumes = volumes;
    this.#sources = new Sources(parts);
    this.#moments = new NativeMoments(parts, volumes);
  }

  /** @throws Fault, ArrayError, BlockError */
  clone<T>(request: CloneRequest, keep: (volume: StoredVolume) => T, call: Call): Promise<T> {
    const { source } = request;
    const isHere = source.repositoryId === request.repositoryId;
    if (request.kind === 'linked') {
      if (!isHere) {
        throw new Fault('INVALID_INPUT', 'a linked clone stays in the repository of its source', {
          field: 'repository',
          expected: 'the same repository, or a full clone',
        });
      }
      return this.#cloneLinked(request, keep, call);
    }
    const { capabilities } = this.#sources.portsOf(request);
    const byArray =
      isHere && capabilities.cloneFull === 'yes' && !this.#sources.isLayeredSource(source);
    return byArray ? this.#cloneByArray(request, keep, call) : this.#copy(request, keep, call);
  }

  async #cloneLinked<T>(
    { source, repositoryId, volumeId, name }: CloneRequest,
    keep: (volume: StoredVolume) => T,
    call: Call,
  ): Promise<T> {
    const { trees } = this.#parts;
    const kept = (size: number): T => keep(storedLayers(size));
    if (!this.#sources.isLayeredSource(source)) {
      const request = { source, repositoryId, volumeId, name, kind: 'linked' } as const;
      return this.#cloneByArray(request, keep, call);
    }
    if ('snapshotId' in source) return trees.cloneLinked(source.snapshotId, volumeId, kept);
    await this.#volumes.refuseMapped(source);
    return trees.cloneOfVolume(this.#volumes.layered(source), volumeId, kept);
  }

  async #cloneByArray<T>(
    { source, repositoryId, volumeId, name, kind }: CloneRequest,
    keep: (volume: StoredVolume) => T,
    call: Call,
  ): Promise<T> {
    const { native, open, catalog, arrays } = this.#parts;
    const ports = this.#sources.portsOf({ repositoryId });
    const cloneOf = (object: Pick<NodeVolume, 'ref'>): Promise<ArrayVolume> =>
      native.clone(ports, { tag: volumeId, name, source: object.ref, kind }, call);
    const cloneNow = (): Promise<ArrayVolume> => {
      if ('snapshotId' in source) return cloneOf(objectOf(source.handle));
      // Copying takes as long as it takes: nobody is held for that.
      if (kind === 'full') return this.#ofMoment(source, call, cloneOf);
      const keys = [volumeKey(source.volumeId)];
      const work = (): Promise<ArrayVolume> => cloneOf(objectOf(source.handle));
      return open.lock(keys, () =>
        open.exchange(keys, { flush: true }, work, (_key, before) => before),
      );
    };
    try {
      const clone = await cloneNow();
      return catalog.transaction(() => {
        arrays.kept(volumeId);
        return keep(storedArray(volumeId, clone));
      });
    } catch (error) {
      await this.#volumes.undo(ports, volumeId);
      throw error;
    }
  }

  /** With the array's own snapshot of the volume, which is there as long as the work takes. */
  async #ofMoment<T>(
    source: VolumeName,
    call: Call,
    work: (snapshot: ArraySnapshot) => Promise<T>,
  ): Promise<T> {
    const snapshotId = this.#parts.newId();
    this.#parts.arrays.doomed(snapshotId, source.repositoryId);
    const taken = nothingTaken();
    const keys = [volumeKey(source.volumeId)];
    const of = [{ volume: source, snapshotId, name: snapshotId }];
    const take = (): Promise<void> => this.#moments.take(of, taken, call.signal);
    try {
      await this.#parts.trees.snapshot([], { keys, work: take }, () => {});
      const snapshot = taken.snapshots.get(snapshotId);
      if (snapshot === undefined) throw new TypeError('a snapshot that was not made');
      return await work(snapshot);
    } finally {
      await this.#moments.undo(of, taken);
    }
  }

  /** A whole new volume, written by us. */
  async #copy<T>(
    { source, repositoryId, volumeId, name }: CloneRequest,
    keep: (volume: StoredVolume) => T,
    call: Call,
  ): Promise<T> {
    const { arrays, catalog } = this.#parts;
    const ports = this.#sources.portsOf({ repositoryId });
    const size = this.#sources.sizeOf(source);
    try {
      const volume = { tag: volumeId, name, size, thin: true };
      const made = await arrays.create(ports, volume, call);
      const stored = storedArray(volumeId, made);
      await this.#copyInto(source, ports, objectOf(stored.handle), call);
      return catalog.transaction(() => {
        arrays.kept(volumeId);
        return keep(stored);
      });
    } catch (error) {
      await this.#volumes.undo(ports, volumeId);
      throw error;
    }
  }

  async #copyInto(
    source: CloneRequest['source'],
    ports: AttachedArray,
    volume: NodeVolume,
    call: Call,
  ): Promise<void> {
    const { trees } = this.#parts;
    const target = { ports, volume };
    if ('snapshotId' in source) {
      if (this.#sources.isLayers(source)) {
        return trees.copy({ snapshotId: source.snapshotId }, target, call);
      }
      return this.#copyNative(this.#sources.portsOf(source), objectOf(source.handle), target, call);
    }
    if (this.#sources.isLayered(source)) {
      await this.#volumes.refuseMapped(source);
      return trees.copy({ of: this.#volumes.layered(source) }, target, call);
    }
    const from = this.#sources.portsOf(source);
    await this.#ofMoment(source, call, (snapshot) =>
      this.#copyNative(from, snapshot, target, call),
    );
  }

  #copyNative(
    from: AttachedArray,
    source: Pick<NodeVolume, 'locator'>,
    { ports, volume }: { readonly ports: AttachedArray; readonly volume: NodeVolume },
    call: Call,
  ): Promise<void> {
    return withVolume(from, source, { write: false }, (device) =>
      withVolume(ports, volume, { write: true }, (to) => copyDevice(device, to, call)),
    );
  }
}
