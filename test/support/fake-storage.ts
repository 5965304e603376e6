/**
 * Storage in memory: what the control plane may rely on, and nothing more. It remembers what it was asked, keeps
 * to the rules of the port (keep is called once; when it throws, nothing is there), and fails when it is told to.
 */
import type {
  AdapterKind,
  AttachedRepository,
  AttachRequest,
  Call,
  ChangedRange,
  ForeignVolume,
  RepositorySpaceNow,
  RepositoryTarget,
  Settlement,
  SnapshotName,
  Storage,
  StoredSnapshot,
  StoredVolume,
  VolumeMapping,
  VolumeName,
} from '../../src/control/index.ts';
import { Fault } from '../../src/errors/index.ts';
import type {
  ArrayHealth,
  ArrayInfo,
  CheckReport,
  HostIdentity,
  ProbeAnswer,
} from '../../src/repositories/index.ts';
import { CAN, infoOf, KIND, stored, WHOLE } from './fake-array.ts';

interface FakeVolume {
  readonly repositoryId: string;
  stored: StoredVolume;
}

export class FakeStorage implements Storage {
  readonly attached = new Set<string>();
  readonly attaches: AttachRequest[] = [];
  readonly volumes = new Map<string, FakeVolume>();
  readonly snapshots = new Map<string, SnapshotName & { readonly stored: StoredSnapshot }>();
  readonly maps = new Map<string, VolumeMapping[]>();
  readonly mapRequests: unknown[] = [];
  /** Repository and initiator name or address. */
  readonly fences = new Set<string>();
  /** What a check finds, and what it was asked. */
  report: CheckReport = WHOLE;
  readonly checks: Parameters<Storage['check']>[] = [];
  /** Volumes that are open: not deleted, not reverted. */
  readonly open = new Set<string>();
  foreign: ForeignVolume[] = [];
  /** What became of volumes and snapshots, and nobody was told, by id; undefined: they are gone. */
  readonly unsettled = new Map<string, StoredVolume | undefined>();
  spaceNow: RepositorySpaceNow | undefined = { total: 1000, free: 900 };
  /** Of a device that carries the repositories. */
  deviceBytes: number | undefined;
  /** What `refresh` finds. */
  grownTo: number | undefined;
  changes: ChangedRange[] = [];
  emulates = false;
  /** A worker does not let go of a repository. */
  isStuck = false;
  /** Thrown by the method of that name. */
  readonly failing = new Map<string, unknown>();
  /** Awaited before a method does anything. */
  readonly waits = new Map<string, () => Promise<void>>();
  /** Names of the methods that were called. */
  readonly calls: string[] = [];
  now: () => number = () => 0;

  async #begin(method: string, signal?: AbortSignal): Promise<void> {
    this.calls.push(method);
    await this.waits.get(method)?.();
    signal?.throwIfAborted();
    if (this.failing.has(method)) throw this.failing.get(method);
  }

  kinds(): readonly AdapterKind[] {
    return [KIND];
  }

  async check(...asked: Parameters<Storage['check']>): Promise<CheckReport> {
    await this.#begin('check', asked[1].signal);
    this.checks.push(asked);
    return this.report;
  }

  async fence(repositoryId: string, { iqns, addresses }: HostIdentity): Promise<void> {
    await this.#begin('fence');
    for (const who of [...iqns, ...addresses]) this.fences.add(`${repositoryId} ${who}`);
  }

  async unfence(id: string, { iqns, addresses }: HostIdentity): Promise<void> {
    await this.#begin('unfence');
    for (const who of [...iqns, ...addresses]) this.fences.delete(`${id} ${who}`);
  }

  async fenced(repositoryId: string): Promise<readonly string[]> {
    await this.#begin('fenced');
    const own = [...this.fences].filter((each) => each.startsWith(`${repositoryId} `));
    return own.map((each) => each.slice(repositoryId.length + 1)).sort();
  }

  async probe(target: RepositoryTarget, signal: AbortSignal): Promise<ProbeAnswer> {
    await this.#begin('probe', signal);
    if (target.settings['target'] === undefined) {
      return { step: 'address', choose: 'target', found: [] };
    }
    if (target.settings['targetIQN'] !== undefined) {
      const holds = { repositoryId: 'r-old', name: 'before' };
      const found = [{ value: 'lun-1', description: '1 GiB', settings: {}, size: 2 ** 30, holds }];
      return { step: 'ready', choose: undefined, found, capabilities: CAN };
    }
    return {
      step: 'system',
      choose: 'targetIQN',
      found: [
        {
          value: 'iqn.2026-01.test:a',
          description: 'a target',
          settings: { portals: ['192.0.2.1:3260'] },
        },
      ],
    };
  }

  async attach(request: AttachRequest, signal: AbortSignal): Promise<AttachedRepository> {
    this.attaches.push(request);
    await this.#begin('attach', signal);
    this.attached.add(request.repositoryId);
    return { capabilities: CAN, info: infoOf(this.deviceBytes) };
  }

  async detach(repositoryId: string, { force }: { readonly force: boolean }): Promise<boolean> {
    await this.#begin('detach');
    const open = [...this.open].filter((id) => this.volumes.get(id)?.repositoryId === repositoryId);
    if (open.length > 0 && !force) throw new Fault('IN_USE', 'a volume of it is open');
    this.attached.delete(repositoryId);
    return !this.isStuck;
  }

  isAttached(repositoryId: string): boolean {
    return this.attached.has(repositoryId);
  }

  async space(): Promise<RepositorySpaceNow | undefined> {
    await this.#begin('space');
    return this.spaceNow;
  }

  deviceSize(): number | undefined {
    return this.deviceBytes;
  }

  info(): ArrayInfo {
    return infoOf(this.deviceBytes);
  }

  async refresh(): Promise<void> {
    await this.#begin('refresh');
    this.deviceBytes = this.grownTo ?? this.deviceBytes;
  }

  async health(): Promise<ArrayHealth> {
    await this.#begin('health');
    return { state: 'degraded', messages: ['a path is down'], paths: [{ name: 'p1', up: false }] };
  }

  async createVolume<T>(
    request: Parameters<Storage['createVolume']>[0],
    keep: (volume: StoredVolume) => T,
    call: Call,
  ): Promise<T> {
    await this.#begin('createVolume', call.signal);
    call.progress(0.5);
    const { repositoryId, volumeId, size, thin } = request;
    return this.#keepVolume(repositoryId, volumeId, stored(volumeId, size, thin), keep);
  }

  /** What keep refuses was never there. */
  #keepVolume<T>(
    repositoryId: string,
    volumeId: string,
    volume: StoredVolume,
    keep: (volume: StoredVolume) => T,
  ): T {
    const kept = keep(volume);
    this.volumes.set(volumeId, { repositoryId, stored: volume });
    return kept;
  }

  #volume({ volumeId, handle }: VolumeName): FakeVolume {
    const volume = this.volumes.get(volumeId);
    if (volume === undefined) throw new Fault('NOT_FOUND', `the array has no ${volumeId}`);
    if (JSON.stringify(volume.stored.handle) !== JSON.stringify(handle)) {
      throw new Fault('INTERNAL', `a stale handle of ${volumeId}`);
    }
    return volume;
  }

  #refuseOpen(volumeId: string): void {
    if (this.open.has(volumeId)) throw new Fault('IN_USE', 'it is open');
  }

  async deleteVolume(volume: VolumeName, keep: () => void, call: Call): Promise<void> {
    await this.#begin('deleteVolume', call.signal);
    this.#volume(volume);
    this.#refuseOpen(volume.volumeId);
    keep();
    this.volumes.delete(volume.volumeId);
  }

  async resizeVolume<T>(
    volume: VolumeName,
    size: number,
    keep: (volume: StoredVolume) => T,
    call: Call,
  ): Promise<T> {
    await this.#begin('resizeVolume', call.signal);
    const { repositoryId, stored: before } = this.#volume(volume);
    const after = stored(volume.volumeId, size, before.thin);
    return this.#keepVolume(repositoryId, volume.volumeId, after, keep);
  }

  async settle(repositoryId: string, keep: Settlement): Promise<void> {
    await this.#begin('settle');
    for (const [id, stored] of this.unsettled) {
      const object = this.volumes.get(id) ?? this.snapshots.get(id);
      if (object?.repositoryId !== repositoryId) continue;
      if (stored === undefined) {
        keep.gone(this.volumes.has(id) ? 'volume' : 'snapshot', id);
        this.volumes.delete(id);
        this.snapshots.delete(id);
      } else this.#keepVolume(repositoryId, id, stored, (volume) => keep.changed(id, volume));
      this.unsettled.delete(id);
    }
  }

  async listForeign(): Promise<readonly ForeignVolume[]> {
    await this.#begin('listForeign');
    return this.foreign;
  }

  async adopt<T>(
    { repositoryId, nativeId, volumeId }: Parameters<Storage['adopt']>[0],
    keep: (volume: StoredVolume) => T,
  ): Promise<T> {
    await this.#begin('adopt');
    const found = this.foreign.find((candidate) => candidate.nativeId === nativeId);
    if (found === undefined) throw new Fault('NOT_FOUND', `the array has no ${nativeId}`);
    return this.#keepVolume(repositoryId, volumeId, stored(volumeId, found.size, false), keep);
  }

  async volumeLive(volume: VolumeName) {
    await this.#begin('volumeLive');
    return { connections: this.open.has(volume.volumeId) ? 1 : 0, allocated: 4096 };
  }

  async snapshot<T>(
    { of }: Parameters<Storage['snapshot']>[0],
    keep: (snapshots: readonly StoredSnapshot[]) => T,
    call: Call,
  ): Promise<T> {
    await this.#begin('snapshot', call.signal);
    const made = of.map(({ volume, snapshotId }) => ({
      repositoryId: volume.repositoryId,
      volumeId: volume.volumeId,
      snapshotId,
      handle: { snapshot: snapshotId },
      stored: {
        handle: { snapshot: snapshotId },
        snapshotId,
        size: this.#volume(volume).stored.size,
        createdAt: this.now(),
        emulated: this.emulates,
      },
    }));
    const kept = keep(made.map((snapshot) => snapshot.stored));
    for (const snapshot of made) this.snapshots.set(snapshot.snapshotId, snapshot);
    return kept;
  }

  #snapshot({ snapshotId }: SnapshotName) {
    const snapshot = this.snapshots.get(snapshotId);
    if (snapshot === undefined) throw new Fault('NOT_FOUND', `the array has no ${snapshotId}`);
    return snapshot;
  }

  async deleteSnapshot(snapshot: SnapshotName, keep: () => void, call: Call): Promise<void> {
    await this.#begin('deleteSnapshot', call.signal);
    this.#snapshot(snapshot);
    keep();
    this.snapshots.delete(snapshot.snapshotId);
  }

  async clone<T>(
    request: Parameters<Storage['clone']>[0],
    keep: (volume: StoredVolume) => T,
    call: Call,
  ): Promise<T> {
    await this.#begin('clone', call.signal);
    const { source, repositoryId, volumeId } = request;
    const size =
      'snapshotId' in source
        ? this.#snapshot(source).stored.size
        : this.#volume(source).stored.size;
    return this.#keepVolume(repositoryId, volumeId, stored(volumeId, size, true), keep);
  }

  async split<T>(volume: VolumeName, keep: (volume: StoredVolume) => T, call: Call): Promise<T> {
    await this.#begin('split', call.signal);
    const { repositoryId, stored: before } = this.#volume(volume);
    const after = { ...before, handle: { ...before.handle, split: true } };
    return this.#keepVolume(repositoryId, volume.volumeId, after, keep);
  }

  async revert<T>(
    volume: VolumeName,
    snapshot: SnapshotName,
    keep: (volume: StoredVolume) => T,
    call: Call,
  ): Promise<T> {
    await this.#begin('revert', call.signal);
    const { repositoryId } = this.#volume(volume);
    this.#refuseOpen(volume.volumeId);
    const after = stored(volume.volumeId, this.#snapshot(snapshot).stored.size, true);
    return this.#keepVolume(repositoryId, volume.volumeId, after, keep);
  }

  async diff(range: Parameters<Storage['diff']>[0]): Promise<readonly ChangedRange[]> {
    await this.#begin('diff');
    const end = range.offset + range.length;
    return this.changes
      .filter(({ offset, length }) => offset + length > range.offset && offset < end)
      .slice(0, range.limit);
  }

  async map(volume: VolumeName, request: Parameters<Storage['map']>[1]): Promise<VolumeMapping> {
    this.mapRequests.push(request);
    await this.#begin('map');
    const mapping: VolumeMapping = {
      host: request.host.name,
      mode: request.mode,
      lun: 1,
      sessions: [],
      portals: ['192.0.2.1:3260'],
      iqn: 'iqn.2026-01.test:a',
      path: undefined,
    };
    const others = (this.maps.get(volume.volumeId) ?? []).filter(
      ({ host }) => host !== mapping.host,
    );
    this.maps.set(volume.volumeId, [...others, mapping]);
    return mapping;
  }

  async unmap(volume: VolumeName, host: string | undefined): Promise<void> {
    await this.#begin('unmap');
    const left = (this.maps.get(volume.volumeId) ?? []).filter(
      (mapping) => host !== undefined && mapping.host !== host,
    );
    this.maps.set(volume.volumeId, left);
  }

  async mappings(volume: VolumeName): Promise<readonly VolumeMapping[]> {
    await this.#begin('mappings');
    return this.maps.get(volume.volumeId) ?? [];
  }
}
