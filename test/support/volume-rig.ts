/**
 * The service's storage with its workers, in one thread: a catalog, arrays in memory, and so many tables of
 * exports as there would be workers, told by the messages that workers are told by.
 */
import type { BlockDevice } from '../../src/block/index.ts';
import { ReadCache } from '../../src/block/index.ts';
import { type Catalog, openCatalog, type StoredVolume } from '../../src/control/index.ts';
import {
  type ExportClient,
  ExportTable,
  type OpenExport,
  stackBuilder,
} from '../../src/exports/index.ts';
import type { Adapter, VolumeData } from '../../src/repositories/index.ts';
import { LayerPlans } from '../../src/service/layer-plans.ts';
import { type OpenStorage, openStorage, WorkerBarrier } from '../../src/service/storage/index.ts';
import { VolumeSources } from '../../src/service/storage/volume-sources.ts';
import { partFrom } from '../../src/service/workers/barrier-turn.ts';
import type { ToWorker } from '../../src/service/workers/messages.ts';
import { type DiskResolver, openNbdDisk, ServiceDisks } from '../../src/service/xen/index.ts';

const NO_LAYERS = {
  use: () => () => {},
  plan: () => Promise.reject(new Error('no layers')),
};

const CLIENT: ExportClient = { address: '192.0.2.1:1', tls: false, identity: undefined };

export const NEVER = new AbortController().signal;
export const CALL = { signal: NEVER, progress: () => {} };

export interface RigOptions {
  /** Of the catalog; in memory unless given. */
  readonly path?: string;
  readonly arrays: Readonly<Record<string, { readonly adapter: Adapter }>>;
  /** Kinds of repositories that can be attached besides. */
  readonly adapters?: readonly Adapter[];
  readonly workers?: number;
  /** Milliseconds that workers may take to hold. */
  readonly holdTimeMax?: number;
  readonly bootId?: string;
  /** Sealed layers of vDisks; there are none unless given. */
  readonly layers?: ConstructorParameters<typeof LayerPlans>[0];
  /** Where those layers are. */
  readonly own?: VolumeData;
}

export class VolumeRig {
  readonly catalog: Catalog;
  readonly storage: OpenStorage;
  /** Blocks for XenAPI, one more thread behind the workers. */
  readonly disks: ServiceDisks;
  /** Of NBD exports by UUID. */
  resolver: DiskResolver | undefined;
  /** What went wrong in the background. */
  readonly troubles: string[] = [];
  /** Exports whose connections were told to end. */
  readonly ended: string[] = [];
  /** Keys of volumes that could not go on. */
  readonly failed: string[] = [];
  readonly #tables: ExportTable[] = [];
  readonly #sources: VolumeSources[] = [];
  readonly #barrier: WorkerBarrier;
  readonly #layers: LayerPlans;
  /** The worker with this number answers nothing. */
  silent: number | undefined;
  /** What the silent one does not hear; undefined: anything. */
  deafTo: 'hold' | 'resume' | 'disconnect' | undefined;
  #lastId = 0;

  private constructor(options: RigOptions) {
    const { arrays, workers = 2, bootId = 'boot-1' } = options;
    this.catalog = openCatalog(options.path ?? ':memory:');
    this.#barrier = new WorkerBarrier({
      planOf: (key, content) => this.storage.exports.planOf(key, content),
      failed: (key) => this.failed.push(key),
      ...(options.holdTimeMax === undefined
        ? {}
        : { timeMax: options.holdTimeMax, partTimeMax: options.holdTimeMax }),
    });
    const of = Object.values(arrays).map(({ adapter }) => adapter);
    const adapters = [...of, ...(options.adapters ?? [])];
    const log = {
      info: () => {},
      warn: () => {},
      error: (details: object, message: string) => {
        this.troubles.push(`${message}: ${String((details as { err?: unknown }).err)}`);
      },
    };
    this.storage = openStorage({
      ...{ adapters, catalog: this.catalog, bootId, log, barrier: this.#barrier },
      workers: workers + 1,
      clock: { now: () => Date.now() },
      initiatorName: 'iqn.2026-01.dev.rootcast:test',
      toWorkers: {
        connect: (kind, connection) => {
          for (const one of this.#sources) one.connect(kind, connection);
        },
        disconnect: (id) => this.#barrier.part(id),
      },
      connections: () => 0,
      endExport: (name) => this.ended.push(name),
      newId: () => this.newId('id'),
    });
    for (let worker = 0; worker < workers; worker++) {
      const volumes = new VolumeSources({
        own: { open: () => Promise.reject(new Error('no own repository')) },
        adapterOf: (kind) => adapters.find((adapter) => adapter.kind === kind),
        parts: { log, clock: () => 0 },
        ask: (id, question) => this.storage.repositories.answer(id, question),
      });
      this.#sources.push(volumes);
      const readCache = new ReadCache({ capacityBytes: 4 * 1024 * 1024 });
      const build = stackBuilder({ volumes, readCache, worker, onFull: () => {} });
      const plans = {
        list: async () => this.storage.exports.list(),
        plan: async (name: string) => structuredClone(await this.#plan(name)),
        release: (key: string, name: string) => void this.storage.exports.release(key, name),
      };
      this.#tables.push(new ExportTable(plans, build));
    }
    this.#layers = new LayerPlans(options.layers ?? NO_LAYERS);
    this.disks = new ServiceDisks({
      ...{ catalog: this.catalog, storage: this.storage, layers: this.#layers, worker: workers },
      volumes: {
        open: (locator, how) => {
          const { repository } = locator;
          const { own } = options;
          if (repository === undefined && own !== undefined) return own.open(locator, how);
          return this.storage.repositories.of(repository ?? '').data.open(locator, how);
        },
      },
      answer: (worker, message) => this.#barrier.receive(worker, message),
      onFull: () => {},
    });
    this.#barrier.attach({ size: workers + 1, tellAll: (message) => this.#tellAll(message) });
  }

  /** Attaches every array; new ones get a record. */
  static async open(options: RigOptions): Promise<VolumeRig> {
    const rig = new VolumeRig(options);
    const { catalog, storage } = rig;
    for (const [id, array] of Object.entries(options.arrays)) {
      const isNew = catalog.repositories.byId(id) === undefined;
      if (isNew) catalog.repositories.insert(repositoryRecord(id, array.adapter.kind));
      const settings = { settings: {}, secrets: {}, create: isNew, takeOver: false };
      const request = { repositoryId: id, kind: array.adapter.kind, ...settings };
      await storage.storage.attach(request, NEVER);
    }
    return rig;
  }

  newId(prefix: string): string {
    this.#lastId += 1;
    return `${prefix}-${Math.random().toString(36).slice(2, 8)}-${this.#lastId}`;
  }

  /** Opens an export in one of the workers. */
  connect(name: string, worker = 0): Promise<OpenExport> {
    const table = this.#tables[worker % this.#tables.length];
    if (table === undefined) throw new Error('no worker');
    return table.open(name, CLIENT);
  }

  async withExport<T>(name: string, work: (device: BlockDevice) => Promise<T>): Promise<T> {
    const opened = await this.connect(name);
    try {
      return await work(opened.device);
    } finally {
      await opened.close();
    }
  }

  createVolume(repositoryId: string, name: string, size: number): Promise<void> {
    const request = { repositoryId, volumeId: name, name, size, thin: true };
    const keep = (stored: StoredVolume): void => this.keepVolume(repositoryId, name, stored);
    return this.storage.storage.createVolume(request, keep, CALL);
  }

  keepVolume(repositoryId: string, name: string, stored: StoredVolume): void {
    const known = this.catalog.volumes.byId(name);
    const { handle, size, thin, wwid } = stored;
    const record = {
      ...{ id: name, repositoryId, name, description: '', handle, size, thin, wwid },
      ...{ role: 'volume' as const, parentSnapshotId: undefined, parentVolumeId: undefined },
      ...{ headSnapshotId: undefined, createdAt: 1 },
    };
    if (known === undefined) this.catalog.volumes.insert(record);
    else this.catalog.volumes.update(record);
  }

  volume(name: string) {
    const record = this.catalog.volumes.byId(name);
    if (record === undefined) throw new Error(`no volume ${name}`);
    return { repositoryId: record.repositoryId, volumeId: name, handle: record.handle };
  }

  snapshotName(name: string) {
    const record = this.catalog.snapshots.byId(name);
    if (record === undefined) throw new Error(`no snapshot ${name}`);
    const { repositoryId, volumeId, handle } = record;
    return { repositoryId, volumeId, snapshotId: name, handle };
  }

  /** Snapshots of one moment; a snapshot's id is its name. */
  snapshot(of: Readonly<Record<string, string>>): Promise<void> {
    const wanted = Object.entries(of).map(([volume, snapshotId]) => ({
      volume: this.volume(volume),
      ...{ snapshotId, name: snapshotId },
    }));
    return this.storage.storage.snapshot(
      { of: wanted },
      (stored) => {
        for (const [at, one] of stored.entries()) {
          const { volume } = wanted[at] ?? {};
          if (volume === undefined) continue;
          const { repositoryId, volumeId } = volume;
          const { handle, size, emulated, snapshotId: id } = one;
          this.catalog.snapshots.insert({
            ...{ id, repositoryId, volumeId, volumeName: volumeId, name: id, description: '' },
            ...{ parentId: undefined, groupId: undefined, size, handle, emulated },
            ...{ consistency: 'crash', scheduleId: undefined, held: false, createdAt: 1 },
          });
        }
      },
      CALL,
    );
  }

  deleteSnapshot(name: string): Promise<void> {
    const record = this.catalog.snapshots.byId(name);
    const keep = (): void => {
      if (record !== undefined) this.catalog.snapshots.delete(record);
    };
    return this.storage.storage.deleteSnapshot(this.snapshotName(name), keep, CALL);
  }

  deleteVolume(name: string): Promise<void> {
    const keep = (): void => this.catalog.volumes.delete(name);
    return this.storage.storage.deleteVolume(this.volume(name), keep, CALL);
  }

  clone(
    source: { readonly snapshot: string } | { readonly volume: string },
    name: string,
    kind: 'linked' | 'full',
    into?: string,
  ): Promise<void> {
    const of =
      'snapshot' in source ? this.snapshotName(source.snapshot) : this.volume(source.volume);
    const repositoryId = into ?? of.repositoryId;
    return this.storage.storage.clone(
      { source: of, repositoryId, volumeId: name, name, kind },
      (stored) => this.keepVolume(repositoryId, name, stored),
      CALL,
    );
  }

  change(
    name: string,
    work: (keep: (stored: StoredVolume) => void) => Promise<void>,
  ): Promise<void> {
    const { repositoryId } = this.volume(name);
    return work((stored) => this.keepVolume(repositoryId, name, stored));
  }

  revert(name: string, snapshot: string): Promise<void> {
    return this.change(name, (keep) =>
      this.storage.storage.revert(this.volume(name), this.snapshotName(snapshot), keep, CALL),
    );
  }

  split(name: string): Promise<void> {
    return this.change(name, (keep) => this.storage.storage.split(this.volume(name), keep, CALL));
  }

  resize(name: string, size: number): Promise<void> {
    return this.change(name, (keep) =>
      this.storage.storage.resizeVolume(this.volume(name), size, keep, CALL),
    );
  }

  /** Nothing is left to be done in the background. */
  idle(): Promise<void> {
    return this.storage.trees.collector.idle();
  }

  async close(): Promise<void> {
    await this.storage.close();
    this.catalog.close();
  }

  #plan(name: string) {
    if (!name.startsWith('/')) return this.storage.exports.open(name);
    const parts = { catalog: this.catalog, volumes: this.storage.exports, layers: this.#layers };
    return openNbdDisk(parts, this.resolver, name);
  }

  #tellAll(message: ToWorker): void {
    if (message.kind === 'hold' || message.kind === 'resume' || message.kind === 'disconnect') {
      this.disks.tell(message);
    }
    for (const [worker, table] of this.#tables.entries()) {
      const isHeard = this.deafTo !== undefined && message.kind !== this.deafTo;
      if (worker !== this.silent || isHeard)
        void this.#tell(worker, table, structuredClone(message));
    }
  }

  async #tell(worker: number, table: ExportTable, message: ToWorker): Promise<void> {
    // One worker is later than another.
    for (let turn = 0; turn <= 8 * worker; turn++) {
      await new Promise((resolve) => setImmediate(resolve));
    }
    if (message.kind === 'hold') {
      const { turn, keys, flush } = message;
      const failure = await table.hold(keys, { flush }).then(
        () => undefined,
        (error: unknown) => String(error),
      );
      this.#barrier.receive(worker, { kind: 'held', turn, failure });
    } else if (message.kind === 'disconnect') {
      const source = this.#sources[worker];
      if (source !== undefined) this.#barrier.receive(worker, await partFrom(source, message));
    } else if (message.kind === 'resume') {
      const failed = await table.resume(message.keys, message.plans);
      const told = failed.map(({ key, error }) => ({ key, message: String(error) }));
      this.#barrier.receive(worker, { kind: 'resumed', turn: message.turn, failed: told });
    }
  }
}

function repositoryRecord(id: string, kind: string) {
  return {
    ...{ id, name: id, description: '', kind, settings: {}, state: 'attached' as const },
    ...{ reason: undefined, info: undefined, capabilities: undefined, warningPercent: 80 },
    ...{ criticalPercent: 95, spaceLevel: 'normal' as const, createdAt: 1 },
  };
}
