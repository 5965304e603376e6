/** Snapshots and clones: the array's own where it has them, layers where it has not. */
import type {
  Call,
  ChangedRange,
  SnapshotName,
  Storage,
  StoredSnapshot,
  StoredVolume,
  VolumeName,
} from '../../control/index.ts';
import { ArrayError, Fault } from '../../errors/index.ts';
import type { ArraySnapshot } from '../../repositories/index.ts';
import { copyDevice, type NodeVolume, snapshotKey, volumeKey } from '../../volumes/index.ts';
import type { AttachedArray } from './attached-repositories.ts';
import { arrayHandle, LAYERS, objectOf, readHandle } from './handles.ts';
import { SNAPSHOT_TIME_MAX } from './limits.ts';
import { snapshotsOf } from './native-snapshots.ts';
import type { StorageParts } from './storage-parts.ts';
import { storedArray, storedLayers, type VolumeOperations } from './volume-operations.ts';

type SnapshotRequest = Parameters<Storage['snapshot']>[0]['of'][number];
type CloneRequest = Parameters<Storage['clone']>[0];
type DiffRequest = Parameters<Storage['diff']>[0];

export class SnapshotOperations {
  readonly #parts: StorageParts;
  readonly #volumes: VolumeOperations;

  constructor(parts: StorageParts, volumes: VolumeOperations) {
    this.#parts = parts;
    this.#volumes = volumes;
  }

  async create<T>(
    of: readonly SnapshotRequest[],
    keep: (snapshots: readonly StoredSnapshot[]) => T,
    call: Call,
  ): Promise<T> {
    const { trees, arrays, clock, catalog } = this.#parts;
    const layered = of.filter(({ volume }) => this.#isLayered(volume));
    const native = of.filter(({ volume }) => !this.#isLayered(volume));
    for (const { volume } of layered) await this.#volumes.refuseMapped(volume);
    for (const { volume, snapshotId } of native) arrays.doomed(snapshotId, volume.repositoryId);
    const taken = nothingTaken();
    const keys = native.map(({ volume }) => volumeKey(volume.volumeId));
    const sealed = layered.map(({ volume, snapshotId }) => ({
      volume: this.#volumes.layered(volume),
      snapshotId,
    }));
    try {
      const work = (): Promise<void> => this.#takeNative(native, taken, call.signal);
      return await trees.snapshot(sealed, { keys, work }, () => {
        for (const { snapshotId } of native) arrays.kept(snapshotId);
        const createdAt = clock.now();
        return keep(
          of.map(({ snapshotId }) => {
            const size = catalog.volumeNodes.ofSnapshot(snapshotId)?.size ?? 0;
            return storedSnapshot(snapshotId, taken.snapshots.get(snapshotId), size, createdAt);
          }),
        );
      });
    } catch (error) {
      void this.#undoTaken(native, taken);
      throw error;
    }
  }

  async delete(snapshot: SnapshotName, keep: () => void): Promise<void> {
    const { trees, open, native, catalog } = this.#parts;
    if (this.#isLayers(snapshot)) return trees.deleteSnapshot(snapshot.snapshotId, keep);
    const key = snapshotKey(snapshot.snapshotId);
    await open.lock([key], async () => {
      open.refuseOpen(key, 'the snapshot');
      await native.delete(this.#portsOf(snapshot), objectOf(snapshot.handle));
      catalog.transaction(keep);
    });
  }

  async revert<T>(
    volume: VolumeName,
    snapshot: SnapshotName,
    keep: (volume: StoredVolume) => T,
    call: Call,
  ): Promise<T> {
    const { trees, open, native, catalog } = this.#parts;
    if (this.#isLayers(snapshot)) {
      const layered = this.#volumes.layered(volume);
      return trees.revert(layered, snapshot.snapshotId, (size) => keep(storedLayers(size)));
    }
    const key = volumeKey(volume.volumeId);
    const ports = this.#portsOf(volume);
    const object = objectOf(volume.handle);
    return open.lock([key], async () => {
      open.refuseOpen(key, 'the volume');
      const to = objectOf(snapshot.handle);
      const reverted = await native.revert(ports, object, to, call.signal);
      return catalog.transaction(() => keep(storedArray(object.tag, reverted)));
    });
  }

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
    const { capabilities } = this.#portsOf(request);
    const byArray = isHere && capabilities.cloneFull === 'yes' && !this.#isLayeredSource(source);
    return byArray ? this.#cloneByArray(request, keep, call) : this.#copy(request, keep, call);
  }

  async split<T>(volume: VolumeName, keep: (volume: StoredVolume) => T, call: Call): Promise<T> {
    const { trees, native, open, catalog } = this.#parts;
    if (this.#isLayered(volume)) {
      const { size } = this.#volumes.layered(volume).plain;
      if (!trees.has(volume.volumeId)) {
        const { wwid, thin } = catalog.volumes.byId(volume.volumeId) ?? storedLayers(size);
        return catalog.transaction(() => keep({ handle: volume.handle, size, wwid, thin }));
      }
      const layered = this.#volumes.layered(volume);
      return trees.split(layered, (now) => keep(storedLayers(now)), call);
    }
    const object = objectOf(volume.handle);
    return open.lock([volumeKey(volume.volumeId)], async () => {
      const now = await native.split(this.#portsOf(volume), object, call);
      return catalog.transaction(() => keep(storedArray(object.tag, now)));
    });
  }

  async diff({ from, to, ...range }: DiffRequest): Promise<readonly ChangedRange[]> {
    const ports = this.#portsOf(to);
    const changed = this.#isLayers(to)
      ? await this.#diffLayers(from, to, range)
      : await this.#diffNative(ports, from, to, range);
    return changed.map(({ offset, length, kind }) => ({
      ...{ offset, length },
      kind: kind === 'data' ? ('data' as const) : ('hole' as const),
    }));
  }

  async #diffLayers(
    from: SnapshotName | undefined,
    to: SnapshotName,
    range: Omit<DiffRequest, 'from' | 'to'>,
  ) {
    const { catalog, diff, trees } = this.#parts;
    const nodeOf = ({ snapshotId }: SnapshotName) => {
      const node = catalog.volumeNodes.ofSnapshot(snapshotId);
      if (node !== undefined) return node;
      const details = { field: 'snapshot', value: snapshotId };
      throw new Fault('NOT_FOUND', `there is no snapshot ${snapshotId}`, details);
    };
    const { collector } = trees;
    const upper = await collector.pin(() => nodeOf(to));
    try {
      const lower = from === undefined ? undefined : await collector.pin(() => nodeOf(from));
      try {
        return await diff.between(lower, upper, range);
      } finally {
        if (lower !== undefined) collector.unpin(lower);
      }
    } finally {
      collector.unpin(upper);
      collector.wake();
    }
  }

  async #diffNative(
    ports: AttachedArray,
    from: SnapshotName | undefined,
    to: SnapshotName,
    range: Omit<DiffRequest, 'from' | 'to'>,
  ) {
    const snapshots = snapshotsOf(ports);
    const { ref } = objectOf(to.handle);
    const lower = from === undefined ? undefined : objectOf(from.handle).ref;
    const { offset, length } = range;
    const everything = [{ offset, length, kind: 'data' as const }];
    if (snapshots.diff === undefined) return everything;
    try {
      return await snapshots.diff({ from: lower, to: ref, ...range });
    } catch (error) {
      if (error instanceof ArrayError && error.code === 'CBT_UNAVAILABLE') return everything;
      throw error;
    }
  }

  async #cloneLinked<T>(
    { source, repositoryId, volumeId, name }: CloneRequest,
    keep: (volume: StoredVolume) => T,
    call: Call,
  ): Promise<T> {
    const { trees } = this.#parts;
    const kept = (size: number): T => keep(storedLayers(size));
    if (!this.#isLayeredSource(source)) {
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
    const ports = this.#portsOf({ repositoryId });
    const request = { tag: volumeId, name, source: objectOf(source.handle).ref, kind };
    const keys = 'snapshotId' in source ? [] : [volumeKey(source.volumeId)];
    try {
      const clone = await open.lock(keys, () =>
        open.exchange(
          keys,
          { flush: true },
          () => native.clone(ports, request, call),
          (_key, before) => before,
        ),
      );
      return catalog.transaction(() => {
        arrays.kept(volumeId);
        return keep(storedArray(volumeId, clone));
      });
    } catch (error) {
      await this.#volumes.undo(ports, volumeId);
      throw error;
    }
  }

  /** A whole new volume, written by us. */
  async #copy<T>(
    { source, repositoryId, volumeId, name }: CloneRequest,
    keep: (volume: StoredVolume) => T,
    call: Call,
  ): Promise<T> {
    const { arrays, catalog } = this.#parts;
    const ports = this.#portsOf({ repositoryId });
    const size = this.#sizeOf(source);
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
      if (this.#isLayers(source)) {
        return trees.copy({ snapshotId: source.snapshotId }, target, call);
      }
      return this.#copyNative(this.#portsOf(source), objectOf(source.handle), target, call);
    }
    if (this.#isLayered(source)) {
      await this.#volumes.refuseMapped(source);
      return trees.copy({ of: this.#volumes.layered(source) }, target, call);
    }
    // The array's own snapshot, as long as it is copied.
    const snapshotId = this.#parts.newId();
    this.#parts.arrays.doomed(snapshotId, source.repositoryId);
    const from = this.#portsOf(source);
    const taken = nothingTaken();
    const keys = [volumeKey(source.volumeId)];
    const of = [{ volume: source, snapshotId, name: snapshotId }];
    const work = (): Promise<void> => this.#takeNative(of, taken, call.signal);
    try {
      await trees.snapshot([], { keys, work }, () => {});
      const snapshot = taken.snapshots.get(snapshotId);
      if (snapshot === undefined) throw new TypeError('a snapshot that was not made');
      await this.#copyNative(from, snapshot, target, call);
    } finally {
      await this.#undoTaken(of, taken);
    }
  }

  async #copyNative(
    from: AttachedArray,
    { locator }: Pick<NodeVolume, 'locator'>,
    target: { readonly ports: AttachedArray; readonly volume: NodeVolume },
    call: Call,
  ): Promise<void> {
    const device = await from.data.open(locator, { write: false });
    try {
      const to = await target.ports.data.open(target.volume.locator, { write: true });
      try {
        await copyDevice(device, to, call);
      } finally {
        await to.close();
      }
    } finally {
      await device.close();
    }
  }

  /** While all of them are held; within the time that their users may be held. */
  async #takeNative(
    of: readonly SnapshotRequest[],
    taken: Taken,
    signal: AbortSignal,
  ): Promise<void> {
    const limited = AbortSignal.any([signal, AbortSignal.timeout(SNAPSHOT_TIME_MAX)]);
    const byRepository = Map.groupBy(of, ({ volume }) => volume.repositoryId);
    for (const [repositoryId, requests] of byRepository) {
      const ports = this.#portsOf({ repositoryId });
      const sources = requests.map(({ volume, snapshotId, name }) => ({
        object: objectOf(volume.handle),
        ...{ snapshotId, name },
      }));
      const taking = this.#parts.native.create(ports, sources, limited);
      taken.calls.push(taking);
      for (const [at, snapshot] of (await orAborted(taking, limited)).entries()) {
        const id = snapshot.tag ?? requests[at]?.snapshotId;
        if (id !== undefined) taken.snapshots.set(id, snapshot);
      }
    }
  }

  /** When the array has answered for the last of them: what comes late is deleted as well. */
  async #undoTaken(of: readonly SnapshotRequest[], { calls }: Taken): Promise<void> {
    await Promise.allSettled(calls);
    for (const { volume, snapshotId } of of) {
      await this.#volumes.undo(this.#portsOf(volume), snapshotId);
    }
  }

  #isLayered(volume: VolumeName): boolean {
    const { array } = this.#portsOf(volume);
    return this.#parts.trees.has(volume.volumeId) || array.snapshots === undefined;
  }

  #isLayers({ handle }: SnapshotName): boolean {
    return readHandle(handle).kind === 'layers';
  }

  #isLayeredSource(source: CloneRequest['source']): boolean {
    return 'snapshotId' in source ? this.#isLayers(source) : this.#isLayered(source);
  }

  #sizeOf(source: CloneRequest['source']): number {
    const { catalog } = this.#parts;
    const nodes = catalog.volumeNodes;
    const size =
      'snapshotId' in source
        ? (nodes.ofSnapshot(source.snapshotId) ?? catalog.snapshots.byId(source.snapshotId))
        : (nodes.ofVolume(source.volumeId) ?? catalog.volumes.byId(source.volumeId));
    if (size !== undefined) return size.size;
    throw new Fault('NOT_FOUND', 'there is no such source', { field: 'source' });
  }

  #portsOf({ repositoryId }: { readonly repositoryId: string }): AttachedArray {
    return this.#parts.repositories.of(repositoryId);
  }
}

/** Snapshots that arrays have made, and the calls by which they do. */
interface Taken {
  readonly snapshots: Map<string, ArraySnapshot>;
  readonly calls: Promise<unknown>[];
}

function nothingTaken(): Taken {
  return { snapshots: new Map(), calls: [] };
}

function storedSnapshot(
  snapshotId: string,
  native: ArraySnapshot | undefined,
  size: number,
  createdAt: number,
): StoredSnapshot {
  if (native === undefined) return { handle: LAYERS, snapshotId, size, createdAt, emulated: true };
  const { ref, locator } = native;
  return {
    handle: arrayHandle({ tag: snapshotId, ref, locator }),
    ...{ snapshotId, size: native.size, createdAt: native.createdAt, emulated: false },
  };
}

/** The call goes on by itself, and what it makes is deleted by its tag. @throws Fault UNAVAILABLE */
async function orAborted<T>(call: Promise<T>, signal: AbortSignal): Promise<T> {
  const aborted = Promise.withResolvers<never>();
  const refuse = (): void =>
    aborted.reject(new Fault('UNAVAILABLE', 'the array took too long to take a snapshot'));
  signal.addEventListener('abort', refuse, { once: true });
  try {
    return await Promise.race([call, aborted.promise]);
  } finally {
    signal.removeEventListener('abort', refuse);
    call.catch(() => undefined);
  }
}
