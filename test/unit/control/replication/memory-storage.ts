/** Storage whose volumes are buffers, and a replicator over it that is the real engine. */
import { MemoryDevice, PLAIN } from '../../../../src/block/index.ts';
import type {
  ArrayLinks,
  CopyPointRequest,
  CopyWatch,
  LinkStatus,
  Replicator,
} from '../../../../src/control/index.ts';
import { NO_STORAGE } from '../../../../src/control/no-storage.ts';
import type {
  ChangedRange,
  SnapshotName,
  Storage,
  StoredSnapshot,
  StoredVolume,
  VolumeMapping,
  VolumeName,
} from '../../../../src/control/storage-port.ts';
import { Fault } from '../../../../src/errors/index.ts';
import {
  type Change,
  copyPoint,
  readContent,
  Throttle,
} from '../../../../src/repositories/index.ts';

interface Disk {
  readonly repositoryId: string;
  device: MemoryDevice;
}

const CHUNK = 65_536;
const ZEROES = Buffer.alloc(CHUNK);

export class MemoryStorage {
  readonly volumes = new Map<string, Disk>();
  readonly snapshots = new Map<string, Disk & { readonly createdAt: number }>();
  readonly detached = new Set<string>();
  readonly mapped = new Map<string, VolumeMapping[]>();
  readonly connections = new Map<string, number>();
  readonly calls: string[] = [];
  /** Called before anything is done; throws to fail it. */
  before: (what: string) => void = () => undefined;
  canDiff = true;
  readonly #now: () => number;

  constructor(now: () => number) {
    this.#now = now;
  }

  readonly port: Storage = {
    ...NO_STORAGE,
    isAttached: (id) => !this.detached.has(id),
    createVolume: async ({ repositoryId, volumeId, size }, keep) => {
      this.#begin('create', repositoryId);
      const device = new MemoryDevice({ size: Math.ceil(size / 4096) * 4096 });
      return this.#kept(this.volumes, volumeId, { repositoryId, device }, () =>
        keep(this.#stored(volumeId)),
      );
    },
    resizeVolume: async ({ volumeId, repositoryId }, size, keep) => {
      this.#begin('resize', repositoryId);
      const disk = this.#volume(volumeId);
      disk.device = await copyOf(disk.device, Math.ceil(size / 4096) * 4096);
      return keep(this.#stored(volumeId));
    },
    volumeLive: async ({ volumeId, repositoryId }) => {
      this.#begin('live', repositoryId);
      return { connections: this.connections.get(volumeId) ?? 0, allocated: undefined };
    },
    mappings: async ({ volumeId }) => this.mapped.get(volumeId) ?? [],
    snapshot: async ({ of }, keep) => {
      for (const { volume } of of) this.#begin('snapshot', volume.repositoryId);
      const createdAt = this.#now();
      const stored: StoredSnapshot[] = [];
      for (const { volume, snapshotId } of of) {
        const disk = this.#volume(volume.volumeId);
        const device = await copyOf(disk.device, disk.device.geometry.size);
        this.snapshots.set(snapshotId, { ...disk, device, createdAt });
        const { size } = device.geometry;
        stored.push({ handle: {}, snapshotId, size, createdAt, emulated: true });
      }
      try {
        return keep(stored);
      } catch (error) {
        for (const { snapshotId } of of) this.snapshots.delete(snapshotId);
        throw error;
      }
    },
    deleteSnapshot: async ({ snapshotId, repositoryId }, keep) => {
      this.#begin('delete-snapshot', repositoryId);
      this.snapshots.delete(snapshotId);
      keep();
    },
    clone: async ({ source, repositoryId, volumeId }, keep) => {
      this.#begin('clone', repositoryId);
      const from = 'snapshotId' in source ? this.snapshot(source) : this.#volume(source.volumeId);
      const device = await copyOf(from.device, from.device.geometry.size);
      return this.#kept(this.volumes, volumeId, { repositoryId, device }, () =>
        keep(this.#stored(volumeId)),
      );
    },
    revert: async ({ volumeId, repositoryId }, snapshot, keep) => {
      this.#begin('revert', repositoryId);
      const { device } = this.snapshot(snapshot);
      this.#volume(volumeId).device = await copyOf(device, device.geometry.size);
      return keep(this.#stored(volumeId));
    },
    diff: async ({ from, to, offset, length, limit }) => {
      this.#begin('diff', to.repositoryId);
      if (!this.canDiff) throw new Fault('UNSUPPORTED', 'it cannot tell');
      const device =
        'snapshotId' in to ? this.snapshot(to).device : this.#volume(to.volumeId).device;
      return differences(from && this.snapshot(from).device, device, {
        ...{ offset, length, limit },
      });
    },
  };

  addVolume(id: string, repositoryId: string, size: number): void {
    this.volumes.set(id, { repositoryId, device: new MemoryDevice({ size }) });
  }

  write(volumeId: string, offset: number, text: string): void {
    this.#volume(volumeId).device.write(Buffer.from(text), offset, PLAIN);
  }

  textAt(volumeId: string, offset: number, length: number): string {
    const bytes = Buffer.alloc(length);
    this.#volume(volumeId).device.read(bytes, offset);
    return bytes.toString();
  }

  content(volumeId: string): Buffer {
    const { device } = this.#volume(volumeId);
    const bytes = Buffer.alloc(device.geometry.size);
    device.read(bytes, 0);
    return bytes;
  }

  snapshot({ snapshotId }: Pick<SnapshotName, 'snapshotId'>) {
    const found = this.snapshots.get(snapshotId);
    if (found === undefined) throw new Fault('NOT_FOUND', `no snapshot ${snapshotId}`);
    return found;
  }

  head({ volumeId }: VolumeName): MemoryDevice {
    return this.#volume(volumeId).device;
  }

  #begin(what: string, repositoryId: string): void {
    this.calls.push(what);
    this.before(what);
    if (this.detached.has(repositoryId)) throw new Fault('UNREACHABLE', 'the array is away');
  }

  #volume(id: string): Disk {
    const found = this.volumes.get(id);
    if (found === undefined) throw new Fault('NOT_FOUND', `no volume ${id}`);
    return found;
  }

  #stored(id: string): StoredVolume {
    const { size } = this.#volume(id).device.geometry;
    return { handle: { id }, size, thin: true, wwid: undefined };
  }

  #kept<T>(map: Map<string, Disk>, id: string, disk: Disk, keep: () => T): T {
    map.set(id, disk);
    try {
      return keep();
    } catch (error) {
      map.delete(id);
      throw error;
    }
  }
}

async function copyOf(device: MemoryDevice, size: number): Promise<MemoryDevice> {
  const bytes = Buffer.alloc(Math.max(size, device.geometry.size));
  device.read(bytes.subarray(0, device.geometry.size), 0);
  const copy = new MemoryDevice({ size });
  for (let at = 0; at < size; at += CHUNK) {
    const page = bytes.subarray(at, Math.min(at + CHUNK, size));
    if (!page.equals(ZEROES.subarray(0, page.length))) copy.write(page, at, PLAIN);
  }
  return copy;
}

function differences(
  from: MemoryDevice | undefined,
  to: MemoryDevice,
  range: { readonly offset: number; readonly length: number; readonly limit: number },
): readonly ChangedRange[] {
  const size = to.geometry.size;
  const [a, b] = [Buffer.alloc(CHUNK), Buffer.alloc(CHUNK)];
  const changes: ChangedRange[] = [];
  const end = Math.min(size, range.offset + range.length);
  for (let at = range.offset; at < end && changes.length < range.limit; at += CHUNK) {
    const length = Math.min(CHUNK, end - at);
    const before = Math.max(0, Math.min(length, (from?.geometry.size ?? 0) - at));
    from?.read(a.subarray(0, before), at);
    a.fill(0, before);
    to.read(b.subarray(0, length), at);
    b.fill(0, length);
    if (!a.equals(b)) changes.push({ offset: at, length, kind: 'data' });
  }
  return changes;
}

/** The engine over MemoryStorage, in this thread; a test may stop it at a checkpoint. */
export class MemoryReplicator implements Replicator {
  readonly copies: CopyPointRequest[] = [];
  readonly throttles = new Map<string, number | undefined>();
  /** Called at every checkpoint; what it throws ends the copy. */
  atCheckpoint: () => void | Promise<void> = () => undefined;
  readonly #storage: MemoryStorage;
  #time = 0;

  constructor(storage: MemoryStorage) {
    this.#storage = storage;
  }

  async copy(request: CopyPointRequest, watch: CopyWatch) {
    this.copies.push(request);
    const storage = this.#storage;
    const source = storage.snapshot(request.source).device;
    const { size } = source.geometry;
    const { since } = request;
    if (since !== undefined && !storage.canDiff) throw new Fault('UNSUPPORTED', 'it cannot tell');
    async function* changes(from: number): AsyncGenerator<Change> {
      const range = { offset: from, length: size - from, limit: 1_000_000 };
      yield* await storage.port.diff({ ...range, from: since?.base, to: request.source });
    }
    return await copyPoint(
      {
        source,
        target: storage.head(request.target),
        since: since && { base: storage.snapshot(since.base).device, sum: since.sum, changes },
        compare: request.compare,
        verification: request.verification,
        cursor: request.cursor,
      },
      {
        throttle: freely(),
        signal: watch.signal,
        now: () => {
          this.#time += 10_000;
          return this.#time;
        },
        random: () => 0,
        record: async (cursor) => {
          watch.record(cursor);
          await this.atCheckpoint();
        },
        progress: (position, figures) => watch.progress(position / size, figures),
      },
    );
  }

  async read(
    request: Parameters<Replicator['read']>[0],
    { signal }: Parameters<Replicator['read']>[1],
  ) {
    const { device } = this.#storage.snapshot(request.snapshot);
    return await readContent(device, request.size, { throttle: freely(), signal });
  }

  setThrottle(id: string, bytesPerSecond: number | undefined): void {
    this.throttles.set(id, bytesPerSecond);
  }
}

function freely(): Throttle {
  return new Throttle(undefined, { now: () => 0, sleep: async () => undefined });
}

/** Arrays that say what a test tells them to. */
const SECONDARY = { role: 'secondary', state: 'syncing', description: '' } as const;

export class FakeLinks implements ArrayLinks {
  readonly calls: string[] = [];
  readonly statuses = new Map<string, LinkStatus>();
  peers = true;
  /** Of every volume by now, in bytes. */
  size = 4096;
  /** The arrays have made the copies by now. */
  copies = true;
  /** Volumes whose arrays do not answer. */
  readonly unreachable = new Set<string>();
  /** Calls that fail, after they were done: their answer is lost. */
  readonly failing = new Set<string>();
  /** Calls that the arrays refuse. */
  readonly refusing = new Set<string>();

  #fail(call: string): void {
    if (this.failing.has(call)) throw new Fault('UNREACHABLE', `the answer to ${call} is lost`);
  }

  async obstacle(): Promise<string | undefined> {
    return this.peers ? undefined : 'they are no peers';
  }
  async enable(volume: VolumeName): Promise<LinkStatus> {
    return this.#set('enable', volume, 'primary', 'syncing');
  }
  async disable({ volumeId }: VolumeName): Promise<void> {
    this.calls.push(`disable ${volumeId}`);
    this.statuses.delete(volumeId);
  }
  async status({ volumeId }: VolumeName): Promise<LinkStatus | undefined> {
    if (this.unreachable.has(volumeId)) throw new Fault('UNREACHABLE', 'its array is away');
    return this.statuses.get(volumeId);
  }
  async adoptCopy<T>(
    _volume: VolumeName,
    copy: { readonly volumeId: string },
    keep: (stored: StoredVolume) => T,
  ): Promise<T | undefined> {
    this.calls.push('adopt');
    if (!this.copies) return undefined;
    this.statuses.set(copy.volumeId, { ...SECONDARY, syncedAt: undefined });
    return keep({ handle: { id: copy.volumeId }, size: 4096, thin: true, wwid: undefined });
  }
  async shown<T>({ volumeId }: VolumeName, keep: (stored: StoredVolume) => T): Promise<T> {
    return keep({ handle: { id: volumeId }, size: this.size, thin: true, wwid: undefined });
  }
  async syncNow({ volumeId }: VolumeName): Promise<number | undefined> {
    this.calls.push(`sync ${volumeId}`);
    this.#fail('sync');
    return 7;
  }
  async arrived({ volumeId }: VolumeName, moment: number): Promise<void> {
    this.calls.push(`arrived ${volumeId} ${moment}`);
    this.#fail('arrived');
  }
  async promote(volume: VolumeName, { force }: { readonly force: boolean }): Promise<LinkStatus> {
    return this.#set(force ? 'promote-force' : 'promote', volume, 'primary', 'in-sync');
  }
  async demote(volume: VolumeName): Promise<LinkStatus> {
    return this.#set('demote', volume, 'secondary', 'demoted');
  }
  async resync(volume: VolumeName): Promise<LinkStatus> {
    return this.#set('resync', volume, 'secondary', 'syncing');
  }

  #set(
    call: string,
    { volumeId }: VolumeName,
    role: LinkStatus['role'],
    state: LinkStatus['state'],
  ): LinkStatus {
    this.calls.push(`${call} ${volumeId}`);
    if (this.refusing.has(call)) throw new Fault('UNAVAILABLE', `${call} is refused`);
    const status = { role, state, description: '', syncedAt: undefined };
    this.statuses.set(volumeId, status);
    this.#fail(call);
    return status;
  }
}
