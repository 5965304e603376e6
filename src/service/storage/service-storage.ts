/**
 * The control plane's storage port, done: arrays by their adapters, what an array cannot by layers
 * (src/volumes). Says nothing itself; read volume-operations.ts, snapshot-operations.ts and
 * clone-operations.ts.
 */
import type {
  AdapterKind,
  AttachedRepository,
  AttachRequest,
  Call,
  RepositorySpaceNow,
  RepositoryTarget,
  SnapshotName,
  Storage,
  StoredSnapshot,
  StoredVolume,
  VolumeName,
} from '../../control/index.ts';
import { Fault } from '../../errors/index.ts';
import type { Adapter, ProbeAnswer } from '../../repositories/index.ts';
import { CloneOperations } from './clone-operations.ts';
import { SnapshotOperations } from './snapshot-operations.ts';
import { inFaults } from './storage-fault.ts';
import type { StorageParts } from './storage-parts.ts';
import { VolumeOperations } from './volume-operations.ts';

export interface ServiceStorageOptions extends StorageParts {
  readonly adapters: readonly Adapter[];
  /** A repository can be reached from now on. Returns at once. */
  readonly attached: (repositoryId: string) => void;
}

export class ServiceStorage implements Storage {
  readonly #options: ServiceStorageOptions;
  readonly #volumes: VolumeOperations;
  readonly #snapshots: SnapshotOperations;
  readonly #clones: CloneOperations;

  constructor(options: ServiceStorageOptions) {
    this.#options = options;
    this.#volumes = new VolumeOperations(options);
    this.#snapshots = new SnapshotOperations(options, this.#volumes);
    this.#clones = new CloneOperations(options, this.#volumes);
  }

  kinds(): readonly AdapterKind[] {
    return this.#options.adapters.map(({ kind, description, settings }) => ({
      ...{ kind, description, settings },
    }));
  }

  probe({ kind, settings, secrets }: RepositoryTarget, signal: AbortSignal): Promise<ProbeAnswer> {
    const { repositories } = this.#options;
    const { initiatorName, parts } = repositories;
    return inFaults(
      () => repositories.adapter(kind).probe({ settings, secrets, initiatorName }, parts, signal),
      signal,
    );
  }

  attach(request: AttachRequest, signal: AbortSignal): Promise<AttachedRepository> {
    const { repositories, arrays, trees, troubled } = this.#options;
    return inFaults(async () => {
      // Before anybody can make something in it: whatever is written down then is of before.
      const attached = await repositories.attach(request, signal, async (ports) => {
        for (const { tag, error } of await arrays.sweep(ports)) {
          troubled(`deleting what a crash left of ${tag}`, error);
        }
      });
      trees.collector.wake();
      this.#options.attached(request.repositoryId);
      return { info: attached.array.info, capabilities: attached.capabilities };
    }, signal);
  }

  detach(repositoryId: string, { force }: { readonly force: boolean }): Promise<void> {
    const { open, repositories } = this.#options;
    return inFaults(async () => {
      const inUse = open.reading(({ repository }) => repository === repositoryId);
      if (inUse.length > 0 && !force) {
        throw new Fault(
          'IN_USE',
          `${inUse.length} volumes or snapshots of the repository are open`,
          {
            field: 'connections',
            value: inUse.length,
            expected: 'nobody who has one of them open, or force',
          },
        );
      }
      // Their handles fail from now on: nobody should go on with them when it is attached again.
      for (const key of inUse) this.#options.endKey(key);
      await repositories.detach(repositoryId);
    });
  }

  isAttached(repositoryId: string): boolean {
    return this.#options.repositories.has(repositoryId);
  }

  space(repositoryId: string): Promise<RepositorySpaceNow | undefined> {
    return inFaults(() => this.#options.repositories.of(repositoryId).array.space());
  }

  health(repositoryId: string) {
    return inFaults(() => this.#options.repositories.of(repositoryId).array.health());
  }

  createVolume<T>(
    request: Parameters<Storage['createVolume']>[0],
    keep: (volume: StoredVolume) => T,
    call: Call,
  ): Promise<T> {
    return inFaults(() => this.#volumes.create(request, keep, call), call.signal);
  }

  deleteVolume(volume: VolumeName, keep: () => void, call: Call): Promise<void> {
    return inFaults(() => this.#volumes.delete(volume, keep), call.signal);
  }

  resizeVolume<T>(
    volume: VolumeName,
    size: number,
    keep: (volume: StoredVolume) => T,
    call: Call,
  ): Promise<T> {
    return inFaults(() => this.#volumes.resize(volume, size, keep, call), call.signal);
  }

  listForeign(repositoryId: string) {
    return inFaults(() => this.#volumes.listForeign(repositoryId));
  }

  adopt<T>(
    request: Parameters<Storage['adopt']>[0],
    keep: (volume: StoredVolume) => T,
  ): Promise<T> {
    return inFaults(() => this.#volumes.adopt(request, keep));
  }

  volumeLive(volume: VolumeName) {
    return inFaults(() => this.#volumes.live(volume));
  }

  snapshot<T>(
    { of }: Parameters<Storage['snapshot']>[0],
    keep: (snapshots: readonly StoredSnapshot[]) => T,
    call: Call,
  ): Promise<T> {
    return inFaults(() => this.#snapshots.create(of, keep, call), call.signal);
  }

  deleteSnapshot(snapshot: SnapshotName, keep: () => void, call: Call): Promise<void> {
    return inFaults(() => this.#snapshots.delete(snapshot, keep), call.signal);
  }

  clone<T>(
    request: Parameters<Storage['clone']>[0],
    keep: (volume: StoredVolume) => T,
    call: Call,
  ): Promise<T> {
    return inFaults(async () => this.#clones.clone(request, keep, call), call.signal);
  }

  split<T>(volume: VolumeName, keep: (volume: StoredVolume) => T, call: Call): Promise<T> {
    return inFaults(() => this.#snapshots.split(volume, keep, call), call.signal);
  }

  revert<T>(
    volume: VolumeName,
    snapshot: SnapshotName,
    keep: (volume: StoredVolume) => T,
    call: Call,
  ): Promise<T> {
    return inFaults(() => this.#snapshots.revert(volume, snapshot, keep, call), call.signal);
  }

  diff(range: Parameters<Storage['diff']>[0]) {
    return inFaults(() => this.#snapshots.diff(range));
  }

  map(volume: VolumeName, request: Parameters<Storage['map']>[1]) {
    return inFaults(() => this.#volumes.map(volume, request));
  }

  unmap(
    volume: VolumeName,
    host: string | undefined,
    options: { readonly force: boolean },
  ): Promise<void> {
    return inFaults(() => this.#volumes.unmap(volume, host, options));
  }

  mappings(volume: VolumeName) {
    return inFaults(() => this.#volumes.mappings(volume));
  }
}
