/** Snapshots: the array's own where it has them, layers where it has not. */
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
import type { ArraySnapshot, ArrayVolume } from '../../repositories/index.ts';
import { snapshotKey, volumeKey } from '../../volumes/index.ts';
import type { AttachedArray } from './attached-repositories.ts';
import { arrayHandle, LAYERS, objectOf, storedLayers } from './handles.ts';
import { NativeMoments, nothingTaken } from './native-moments.ts';
import { snapshotsOf, unsupported } from './native-snapshots.ts';
import { Sources } from './sources.ts';
import type { StorageParts } from './storage-parts.ts';
import type { VolumeOperations } from './volume-operations.ts';

type SnapshotRequest = Parameters<Storage['snapshot']>[0]['of'][number];
type DiffRequest = Parameters<Storage['diff']>[0];

export class SnapshotOperations {
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

  async create<T>(
    of: readonly SnapshotRequest[],
    keep: (snapshots: readonly StoredSnapshot[]) => T,
    call: Call,
  ): Promise<T> {
    const { trees, arrays, clock, catalog } = this.#parts;
    const layered = of.filter(({ volume }) => this.#sources.isLayered(volume));
    const native = of.filter(({ volume }) => !this.#sources.isLayered(volume));
    for (const { volume } of layered) await this.#volumes.refuseMapped(volume);
    for (const { volume, snapshotId } of native) arrays.doomed(snapshotId, volume.repositoryId);
    const taken = nothingTaken();
    const keys = native.map(({ volume }) => volumeKey(volume.volumeId));
    const sealed = layered.map(({ volume, snapshotId }) => ({
      volume: this.#volumes.layered(volume),
      snapshotId,
    }));
    try {
      const work = (): Promise<void> => this.#moments.take(native, taken, call.signal);
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
      // What has a record was committed before something else failed.
      const lost = native.filter(({ snapshotId }) => !catalog.snapshots.byId(snapshotId));
      void this.#moments.undo(lost, taken);
      throw error;
    }
  }

  async delete(snapshot: SnapshotName, keep: () => void): Promise<void> {
    const { trees, open, native, changes } = this.#parts;
    const { snapshotId: id, handle } = snapshot;
    if (this.#sources.isLayers(snapshot)) return trees.deleteSnapshot(id, keep);
    const key = snapshotKey(id);
    await open.lock([key], async () => {
      open.refuseOpen(key, 'the snapshot');
      const ports = this.#sources.portsOf(snapshot);
      const ask = (): Promise<void> => native.delete(ports, objectOf(handle));
      await changes.delete(ports, { kind: 'snapshot', id, handle }, ask, keep);
    });
  }

  async revert<T>(
    volume: VolumeName,
    snapshot: SnapshotName,
    keep: (volume: StoredVolume) => T,
    call: Call,
  ): Promise<T> {
    const { trees, open, native, changes } = this.#parts;
    if (this.#sources.isLayers(snapshot)) {
      const layered = this.#volumes.layered(volume);
      return trees.revert(layered, snapshot.snapshotId, (size) => keep(storedLayers(size)));
    }
    const key = volumeKey(volume.volumeId);
    const ports = this.#sources.portsOf(volume);
    const object = objectOf(volume.handle);
    return open.lock([key], async () => {
      open.refuseOpen(key, 'the volume');
      await this.#volumes.refuseUsed(volume);
      const to = objectOf(snapshot.handle);
      const ask = (): Promise<ArrayVolume> => native.revert(ports, object, to, call.signal);
      return changes.change(ports, volume, { ask }, keep);
    });
  }

  async split<T>(volume: VolumeName, keep: (volume: StoredVolume) => T, call: Call): Promise<T> {
    const { trees, native, open, catalog, changes } = this.#parts;
    if (this.#sources.isLayered(volume)) {
      const layered = this.#volumes.layered(volume);
      if (!trees.has(volume.volumeId)) {
        const { size } = layered.plain;
        const { wwid, thin } = catalog.volumes.byId(volume.volumeId) ?? storedLayers(size);
        return catalog.transaction(() => keep({ handle: volume.handle, size, wwid, thin }));
      }
      return trees.split(layered, (now) => keep(storedLayers(now)), call);
    }
    const ports = this.#sources.portsOf(volume);
    const object = objectOf(volume.handle);
    return open.lock([volumeKey(volume.volumeId)], async () => {
      const ask = (): Promise<ArrayVolume> => native.split(ports, object, call);
      return changes.change(ports, volume, { ask }, keep);
    });
  }

  async diff({ from, to, ...range }: DiffRequest): Promise<readonly ChangedRange[]> {
    const ports = this.#sources.portsOf(to);
    const isByLayers =
      'snapshotId' in to ? this.#sources.isLayers(to) : this.#parts.trees.has(to.volumeId);
    const changed = isByLayers
      ? await this.#diffLayers(from, to, range)
      : await this.#diffNative(ports, from, to, range);
    return changed.map(({ offset, length, kind }) => ({
      ...{ offset, length },
      kind: kind === 'data' ? ('data' as const) : ('hole' as const),
    }));
  }

  async #diffLayers(
    from: SnapshotName | undefined,
    to: SnapshotName | VolumeName,
    range: Omit<DiffRequest, 'from' | 'to'>,
  ) {
    const { catalog, diff, trees } = this.#parts;
    const nodeOf = (what: SnapshotName | VolumeName) => {
      const [field, value] =
        'snapshotId' in what ? ['snapshot', what.snapshotId] : ['volume', what.volumeId];
      const nodes = catalog.volumeNodes;
      const node = field === 'snapshot' ? nodes.ofSnapshot(value) : nodes.ofVolume(value);
      if (node !== undefined) return node;
      throw new Fault('NOT_FOUND', `there is no ${field} ${value}`, { field, value });
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
    to: SnapshotName | VolumeName,
    { grown, ...range }: Omit<DiffRequest, 'from' | 'to'>,
  ) {
    const snapshots = snapshotsOf(ports);
    const { ref } = objectOf(to.handle);
    if (!('snapshotId' in to) && snapshots.diffsVolumes !== true) {
      throw unsupported('tell what has changed in a volume since a snapshot');
    }
    const lower = from === undefined ? undefined : objectOf(from.handle).ref;
    const { offset, length } = range;
    const everything = length > 0 ? [{ offset, length, kind: 'data' as const }] : [];
    if (snapshots.diff === undefined) return everything;
    try {
      return await snapshots.diff({ from: lower, to: ref, ...range });
    } catch (error) {
      if (error instanceof ArrayError && error.code === 'CBT_UNAVAILABLE') return everything;
      throw error;
    }
  }
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
