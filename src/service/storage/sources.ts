import type { SnapshotName, VolumeName } from '../../control/index.ts';
import { Fault } from '../../errors/index.ts';
import type { AttachedArray } from './attached-repositories.ts';
import { readHandle } from './handles.ts';
import type { StorageParts } from './storage-parts.ts';

/** Who does what is asked of a volume or a snapshot: its array, or layers. */
export class Sources {
  readonly #parts: Pick<StorageParts, 'catalog' | 'repositories' | 'trees'>;

  constructor(parts: Pick<StorageParts, 'catalog' | 'repositories' | 'trees'>) {
    this.#parts = parts;
  }

  /** Whether layers take snapshots of it. */
  isLayered(volume: VolumeName): boolean {
    const { array } = this.portsOf(volume);
    return this.#parts.trees.has(volume.volumeId) || array.snapshots === undefined;
  }

  isLayers({ handle }: SnapshotName): boolean {
    return readHandle(handle).kind === 'layers';
  }

  isLayeredSource(source: VolumeName | SnapshotName): boolean {
    return 'snapshotId' in source ? this.isLayers(source) : this.isLayered(source);
  }

  /** Bytes. @throws Fault NOT_FOUND */
  sizeOf(source: VolumeName | SnapshotName): number {
    const { catalog } = this.#parts;
    const nodes = catalog.volumeNodes;
    const size =
      'snapshotId' in source
        ? (nodes.ofSnapshot(source.snapshotId) ?? catalog.snapshots.byId(source.snapshotId))
        : (nodes.ofVolume(source.volumeId) ?? catalog.volumes.byId(source.volumeId));
    if (size !== undefined) return size.size;
    throw new Fault('NOT_FOUND', 'there is no such source', { field: 'source' });
  }

  /** @throws Fault UNAVAILABLE */
  portsOf({ repositoryId }: { readonly repositoryId: string }): AttachedArray {
    return this.#parts.repositories.of(repositoryId);
  }
}
