/**
 * The control plane's storage port, done: arrays by their adapters, what an array cannot by layers
 * (src/volumes). Says nothing itself; read volume-operations.ts, snapshot-operations.ts and
 * clone-operations.ts.
 */
import { setTimeout } from 'node:timers/promises';
import type {
  AdapterKind,
  AttachedRepository,
  AttachRequest,
  Call,
  RepositorySpaceNow,
  RepositoryTarget,
  Settlement,
  SnapshotName,
  Storage,
  StoredSnapshot,
  StoredVolume,
  VolumeName,
} from '../../control/index.ts';
import { Fault } from '../../errors/index.ts';
import type {
  Adapter,
  ArrayInfo,
  CheckOptions,
  CheckReport,
  HostIdentity,
  ProbeAnswer,
} from '../../repositories/index.ts';
import { CloneOperations } from './clone-operations.ts';
import { emulatedCapabilities } from './emulated-capabilities.ts';
import { FenceOperations } from './fence-operations.ts';
import { COLLECT_TIME_MAX } from './limits.ts';
import { SnapshotOperations } from './snapshot-operations.ts';
import { inFaults, withWayOut } from './storage-fault.ts';
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
  readonly #fences: FenceOperations;
  /** How many operations are changing something in a repository. */
  readonly #atWork = new Map<string, number>();

  constructor(options: ServiceStorageOptions) {
    this.#options = options;
    this.#volumes = new VolumeOperations(options);
    this.#snapshots = new SnapshotOperations(options, this.#volumes);
    this.#clones = new CloneOperations(options, this.#volumes);
    this.#fences = new FenceOperations(options);
  }

  kinds(): readonly AdapterKind[] {
    return this.#options.adapters.map(({ kind, description, settings }) => ({
      ...{ kind, description, settings },
    }));
  }

  probe({ kind, settings, secrets }: RepositoryTarget, signal: AbortSignal): Promise<ProbeAnswer> {
    const { repositories } = this.#options;
    const { initiatorName, parts } = repositories;
    return inFaults(async () => {
      const target = { settings, secrets, initiatorName };
      const answer = await repositories.adapter(kind).probe(target, parts, signal);
      if (answer.capabilities === undefined) return answer;
      return { ...answer, capabilities: emulatedCapabilities(answer.capabilities) };
    }, signal);
  }

  check(
    { kind, repositoryId = '', settings, secrets }: Parameters<Storage['check']>[0],
    options: CheckOptions,
  ): Promise<CheckReport> {
    const { repositories } = this.#options;
    const { initiatorName, parts } = repositories;
    return inFaults(async () => {
      const adapter = repositories.adapter(kind);
      if (adapter.check === undefined) {
        throw new Fault(
          'UNSUPPORTED',
          `on storage of kind ${kind} nothing is kept that could be checked`,
          {
            field: 'kind',
            value: kind,
            expected: 'a kind whose disks Rootcast carves into volumes',
          },
        );
      }
      return adapter.check({ repositoryId, settings, secrets, initiatorName }, parts, options);
    }, options.signal);
  }

  attach(request: AttachRequest, signal: AbortSignal): Promise<AttachedRepository> {
    const { repositories, arrays, trees, troubled } = this.#options;
    return inFaults(async () => {
      // Before anybody can make something in it: whatever is written down then is of before.
      const attached = await repositories
        .attach(request, signal, async (ports) => {
          for (const { tag, error } of await arrays.sweep(ports)) {
            troubled(`deleting what a crash left of ${tag}`, error);
          }
        })
        .catch((error: unknown) => {
          throw withWayOut(error, request);
        });
      trees.collector.wake();
      this.#options.attached(request.repositoryId);
      return { info: attached.array.info, capabilities: attached.capabilities };
    }, signal);
  }

  detach(repositoryId: string, { force }: { readonly force: boolean }): Promise<boolean> {
    const { open, repositories } = this.#options;
    return inFaults(async () => {
      if (!force) {
        await this.#collected(repositoryId);
        this.#refuseAtWork(repositoryId);
      }
      const inUse = open.reading(({ repository }) => repository === repositoryId);
      if (inUse.length > 0 && !force) {
        throw new Fault(
          'IN_USE',
          `${inUse.length} volumes or snapshots of the repository are open`,
          {
            field: 'connections',
            value: inUse,
            expected: 'nobody who has one of them open, or force',
          },
        );
      }
      // Their handles fail from now on: nobody should go on with them when it is attached again.
      for (const key of inUse) this.#options.endKey(key);
      return repositories.detach(repositoryId, { force });
    });
  }

  /**
   * What deleted volumes and snapshots leave is deleted in the background. Detached before that is done, a repository
   * that is empty could not be deleted: there would be something on it that nobody knows of.
   */
  async #collected(repositoryId: string): Promise<void> {
    const { catalog, trees } = this.#options;
    const hidden = catalog.volumeNodes.hidden();
    const isHidden = hidden.some((node) => node.repositoryId === repositoryId);
    // The record of a node goes before its volumes do.
    if (!isHidden && catalog.arrayLeftovers.ofRepository(repositoryId).length === 0) return;
    const over = new AbortController();
    const patience = setTimeout(COLLECT_TIME_MAX, undefined, { signal: over.signal });
    await Promise.race([trees.collector.idle(), patience]);
    over.abort();
  }

  /** What an array was asked, or a copy, would end in the middle. */
  #refuseAtWork(repositoryId: string): void {
    const count = this.#atWork.get(repositoryId) ?? 0;
    if (count === 0) return;
    throw new Fault('IN_USE', `${count} operations are changing volumes of the repository`, {
      field: 'repository.tasks',
      value: count,
      expected: 'none (rootcast task list), or force',
    });
  }

  /** What changes something in repositories: none of them is detached meanwhile, but by force. */
  #changing<T>(
    repositoryIds: readonly string[],
    work: () => Promise<T>,
    signal?: AbortSignal,
  ): Promise<T> {
    const ids = [...new Set(repositoryIds)];
    const count = (by: number): void => {
      for (const id of ids) this.#atWork.set(id, (this.#atWork.get(id) ?? 0) + by);
    };
    return inFaults(async () => {
      count(1);
      try {
        return await work();
      } finally {
        count(-1);
      }
    }, signal);
  }

  isAttached(repositoryId: string): boolean {
    return this.#options.repositories.has(repositoryId);
  }

  space(repositoryId: string): Promise<RepositorySpaceNow | undefined> {
    return inFaults(() => this.#options.repositories.of(repositoryId).array.space());
  }

  deviceSize(repositoryId: string): number | undefined {
    const { repositories } = this.#options;
    return repositories.has(repositoryId)
      ? repositories.of(repositoryId).array.deviceSize
      : undefined;
  }

  info(repositoryId: string): ArrayInfo {
    return this.#options.repositories.of(repositoryId).array.info;
  }

  refresh(repositoryId: string): Promise<void> {
    return inFaults(async () => {
      await this.#options.repositories.of(repositoryId).array.refresh?.();
    });
  }

  health(repositoryId: string) {
    return inFaults(() => this.#options.repositories.of(repositoryId).array.health());
  }

  createVolume<T>(
    request: Parameters<Storage['createVolume']>[0],
    keep: (volume: StoredVolume) => T,
    call: Call,
  ): Promise<T> {
    const { repositoryId } = request;
    const work = () => this.#volumes.create(request, keep, call);
    return this.#changing([repositoryId], work, call.signal);
  }

  deleteVolume(volume: VolumeName, keep: () => void, call: Call): Promise<void> {
    const work = () => this.#volumes.delete(volume, keep);
    return this.#changing([volume.repositoryId], work, call.signal);
  }

  resizeVolume<T>(
    volume: VolumeName,
    size: number,
    keep: (volume: StoredVolume) => T,
    call: Call,
  ): Promise<T> {
    const work = () => this.#volumes.resize(volume, size, keep, call);
    return this.#changing([volume.repositoryId], work, call.signal);
  }

  settle(repositoryId: string, keep: Settlement): Promise<void> {
    const { repositories, settlements } = this.#options;
    return inFaults(async () => settlements.settle(repositories.of(repositoryId), keep));
  }

  listForeign(repositoryId: string) {
    return inFaults(() => this.#volumes.listForeign(repositoryId));
  }

  adopt<T>(
    request: Parameters<Storage['adopt']>[0],
    keep: (volume: StoredVolume) => T,
  ): Promise<T> {
    return this.#changing([request.repositoryId], () => this.#volumes.adopt(request, keep));
  }

  volumeLive(volume: VolumeName) {
    return inFaults(() => this.#volumes.live(volume));
  }

  snapshot<T>(
    { of }: Parameters<Storage['snapshot']>[0],
    keep: (snapshots: readonly StoredSnapshot[]) => T,
    call: Call,
  ): Promise<T> {
    const ids = of.map(({ volume }) => volume.repositoryId);
    return this.#changing(ids, () => this.#snapshots.create(of, keep, call), call.signal);
  }

  deleteSnapshot(snapshot: SnapshotName, keep: () => void, call: Call): Promise<void> {
    const work = () => this.#snapshots.delete(snapshot, keep);
    return this.#changing([snapshot.repositoryId], work, call.signal);
  }

  clone<T>(
    request: Parameters<Storage['clone']>[0],
    keep: (volume: StoredVolume) => T,
    call: Call,
  ): Promise<T> {
    const ids = [request.source.repositoryId, request.repositoryId];
    return this.#changing(ids, async () => this.#clones.clone(request, keep, call), call.signal);
  }

  split<T>(volume: VolumeName, keep: (volume: StoredVolume) => T, call: Call): Promise<T> {
    const work = () => this.#snapshots.split(volume, keep, call);
    return this.#changing([volume.repositoryId], work, call.signal);
  }

  revert<T>(
    volume: VolumeName,
    snapshot: SnapshotName,
    keep: (volume: StoredVolume) => T,
    call: Call,
  ): Promise<T> {
    const work = () => this.#snapshots.revert(volume, snapshot, keep, call);
    return this.#changing([volume.repositoryId], work, call.signal);
  }

  diff(range: Parameters<Storage['diff']>[0]) {
    return inFaults(() => this.#snapshots.diff(range));
  }

  map(volume: VolumeName, request: Parameters<Storage['map']>[1]) {
    return this.#changing([volume.repositoryId], () => this.#volumes.map(volume, request));
  }

  unmap(
    volume: VolumeName,
    host: string | undefined,
    options: { readonly force: boolean },
  ): Promise<void> {
    const work = () => this.#volumes.unmap(volume, host, options);
    return this.#changing([volume.repositoryId], work);
  }

  mappings(volume: VolumeName) {
    return inFaults(() => this.#volumes.mappings(volume));
  }

  fence(repositoryId: string, host: HostIdentity): Promise<void> {
    return this.#changing([repositoryId], () => this.#fences.fence(repositoryId, host));
  }

  unfence(repositoryId: string, host: HostIdentity): Promise<void> {
    return this.#changing([repositoryId], () => this.#fences.unfence(repositoryId, host));
  }

  fenced(repositoryId: string) {
    return inFaults(() => this.#fences.fenced(repositoryId));
  }
}
