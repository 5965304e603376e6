/**
 * The service without sockets and threads: the real catalog, operations, overlays, layers and stacks over
 * volumes in a folder. What is open is a device in this process.
 */
import { randomUUID } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { LocalVolumeControl, LocalVolumeData } from '../../src/adapters/local/index.ts';
import { type BlockDevice, ReadCache } from '../../src/block/index.ts';
import {
  type Catalog,
  type Control,
  createControl,
  type EventRecord,
  importVdisk,
  layerVolumes,
  openCatalog,
  overlayOwners,
  recoverControl,
  type TaskView,
  VersionObserver,
} from '../../src/control/index.ts';
import {
  type Stack,
  type StackBuilder,
  type StackPlan,
  stackBuilder,
} from '../../src/exports/index.ts';
import { ServiceDataPlane, type Workers } from '../../src/service/data-plane.ts';
import { LayerShelf } from '../../src/service/layer-shelf.ts';
import { LayerStore, sweepLayers } from '../../src/service/layer-store.ts';
import { OverlayBook } from '../../src/service/overlay-book.ts';
import { OverlayPlaces } from '../../src/service/overlay-places.ts';
import type { Repository } from '../../src/service/repository.ts';
import { LayerRepositories, type OpenStorage } from '../../src/service/storage/index.ts';
import { TransferStore } from '../../src/service/transfers/index.ts';
import type { WorkerConnection } from '../../src/service/workers/messages.ts';
import type { MemoryArray } from './memory-array.ts';
import { attachElsewhere, storageOf } from './repository-elsewhere.ts';

/** How long a connection that hangs is waited for. */
const FENCE_MS = 200;
const BOOT_ID = '00000000-0000-4000-8000-000000000001';

/** An export that is open, as a client has it. */
export interface RigConnection {
  readonly device: BlockDevice;
  close(): Promise<void>;
}

/** An export whose client has been told what it is, and has not entered it yet. */
export interface RigHandshake {
  enter(): Promise<RigConnection>;
}

export interface RigOptions {
  /** As the setting `layers.most`; 0 unless given. */
  readonly consolidateBeyond?: number;
  /** A second repository, ELSEWHERE; attached when the service has started. */
  readonly elsewhere?: MemoryArray;
}

interface Open {
  readonly connection: WorkerConnection;
  readonly end: () => Promise<void>;
}

/** The data workers, in this process: ends connections when told to, unless their devices hang. */
class RigWorkers implements Workers {
  readonly size = 1;
  readonly open = new Set<Open>();
  isStuck = false;

  connectionCount(): number {
    return this.open.size;
  }
  connectionsOf(exportName: string): WorkerConnection[] {
    return [...this.open]
      .map(({ connection }) => connection)
      .filter((connection) => connection.exportName === exportName);
  }
  total(): number {
    return 0;
  }
  endExport(name: string): void {
    if (this.isStuck) return;
    for (const open of this.open) if (open.connection.exportName === name) void open.end();
  }
}

export class LifecycleRig {
  readonly folder: string;
  readonly catalog: Catalog = openCatalog(':memory:');
  readonly events: EventRecord[] = [];
  /** Milliseconds since the epoch. */
  now = Date.now();
  control!: Control;
  dataPlane!: ServiceDataPlane;
  #observer!: VersionObserver;
  layers!: LayerShelf;
  overlays!: OverlayBook;
  readonly #options: RigOptions;
  /** Of the second repository. */
  storage: OpenStorage | undefined;
  #repository!: LayerRepositories;
  #transfers: TransferStore | undefined;
  #workers = new RigWorkers();
  #build!: StackBuilder;
  #stacks = new Map<string, { stack: Promise<Stack>; users: number }>();
  #connections = 0;

  private constructor(folder: string, options: RigOptions) {
    this.folder = folder;
    this.#options = options;
  }

  /** @param folder empty; whoever made it removes it */
  static async open(folder: string, options: RigOptions = {}): Promise<LifecycleRig> {
    const rig = new LifecycleRig(folder, options);
    mkdirSync(join(folder, 'repository'));
    mkdirSync(rig.layersFolder);
    mkdirSync(rig.uploadsFolder);
    await rig.start();
    return rig;
  }

  get layersFolder(): string {
    return join(this.folder, 'layers');
  }

  get uploadsFolder(): string {
    return join(this.folder, 'uploads');
  }

  get repository(): Repository {
    return this.#repository;
  }

  /** Devices hang: connections do not end although they are told to. */
  set isStuck(value: boolean) {
    this.#workers.isStuck = value;
  }

  /** As the service starts: also after a crash, of which only the disk and the catalog are left. */
  async start(): Promise<void> {
    const { catalog } = this;
    const clock = { now: (): number => this.now };
    const own: Repository = {
      volumes: await LocalVolumeControl.attach(join(this.folder, 'repository')),
      data: new LocalVolumeData({ log: { warn: () => undefined } }),
    };
    const repository = new LayerRepositories(own, catalog);
    this.#repository = repository;
    const layersKnown = catalog.layers.all();
    await sweepLayers(this.layersFolder, repository.volumes, new Set(layersKnown.map((l) => l.id)));
    const layers = new LayerShelf(catalog, repository.volumes, this.layersFolder);
    const overlays = await OverlayBook.open({
      ...{ repository, bootId: BOOT_ID, workers: 1, layers },
      elsewhere: new OverlayPlaces({ catalog, repository, newId: randomUUID }),
      owners: overlayOwners(catalog),
      sealed: layerVolumes(catalog),
    });
    this.layers = layers;
    this.overlays = overlays;
    this.storage = this.#openStorage();
    this.dataPlane = new ServiceDataPlane({
      ...{ catalog, overlays, layers, clock, readCacheBytesMax: 0, maintenanceLeaseMs: 60_000 },
      fenceMs: FENCE_MS,
      died: (error) => {
        throw error;
      },
      troubled: (subject, what, error) => {
        throw new Error(`${what} of ${subject}`, { cause: error });
      },
    });
    this.#workers = new RigWorkers();
    this.#stacks = new Map();
    this.dataPlane.attach(this.#workers);
    const readCache = new ReadCache({ capacityBytes: 8 * 2 ** 20 });
    const onFull = (): void => undefined;
    this.#build = stackBuilder({ volumes: repository.data, readCache, worker: 0, onFull });
    const consolidateBeyond = this.#options.consolidateBeyond ?? 0;
    const transfers = new TransferStore({
      folder: { path: this.folder, layers: this.layersFolder, uploads: this.uploadsFolder },
      ...{ catalog, repository, layers, newId: randomUUID },
      ...{ consolidateBeyond, serverName: 'rig' },
    });
    this.#transfers = transfers;
    this.control = createControl({
      ...{ catalog, dataPlane: this.dataPlane, clock, newId: randomUUID },
      images: new LayerStore({
        folder: { layers: this.layersFolder },
        ...{ catalog, layers, overlays, bootId: BOOT_ID, repository },
      }),
      transfers,
      ...(this.storage === undefined ? {} : { storage: this.storage.storage }),
      ...{ serverName: 'rig', version: '0' },
      consolidateBeyond,
      onEvent: (event) => this.events.push(event),
    });
    this.#observer = new VersionObserver(this.control, (error) => {
      throw error;
    });
    await recoverControl(this.control);
    await this.dataPlane.loadOverlays();
    await this.attach();
  }

  #openStorage(): OpenStorage | undefined {
    const { catalog } = this;
    const { elsewhere } = this.#options;
    if (elsewhere === undefined) return undefined;
    const clock = { now: (): number => this.now };
    const storage = storageOf(elsewhere, { catalog, bootId: BOOT_ID, clock });
    this.#repository.reach(storage);
    return storage;
  }

  /** The second repository, if there is one. */
  async attach(): Promise<void> {
    const { elsewhere } = this.#options;
    if (elsewhere !== undefined && this.storage !== undefined) {
      await attachElsewhere(this.storage, elsewhere);
    }
  }

  /** A look of the observer, and the end of what it began. */
  async observe(now = this.now): Promise<void> {
    this.#observer.observe(now);
    await this.#observer.close();
  }

  /** The process is gone, whatever it was doing: nothing is closed or flushed, the catalog is what it was. */
  async crash(): Promise<void> {
    this.#options.elsewhere?.kill();
    await this.start();
  }

  /** Ends everything that is open. */
  async close(): Promise<void> {
    for (const open of [...this.#workers.open]) await open.end();
    await this.closeTransfers();
    this.catalog.close();
  }

  /** As at the end of the service: what is kept between requests is closed. */
  async closeTransfers(): Promise<void> {
    await this.#transfers?.close();
  }

  /** As a data worker opens an export. @throws what the service refuses it with */
  async connect(exportName: string): Promise<RigConnection> {
    return (await this.begin(exportName)).enter();
  }

  /** The first half of it. @throws what the service refuses it with */
  async begin(exportName: string): Promise<RigHandshake> {
    const plan = await this.dataPlane.open(exportName);
    return { enter: () => this.#enter(exportName, plan) };
  }

  async #enter(exportName: string, plan: StackPlan): Promise<RigConnection> {
    const live = this.#stacks.get(plan.key) ?? { stack: this.#build(plan), users: 0 };
    this.#stacks.set(plan.key, live);
    live.users++;
    const { device, close } = await live.stack;
    const { dataPlane } = this;
    const stacks = this.#stacks;
    const workers = this.#workers;
    const connection = {
      id: ++this.#connections,
      exportName,
      address: `rig:${this.#connections}`,
      tls: false,
      connectedAt: this.now,
    };
    let ended: Promise<void> | undefined;
    const end = async (): Promise<void> => {
      workers.open.delete(open);
      live.users--;
      if (live.users === 0) {
        stacks.delete(plan.key);
        await close();
      }
      dataPlane.released(plan.key, plan.name);
    };
    const open: Open = { connection, end: () => (ended ??= end()) };
    workers.open.add(open);
    return { device, close: open.end };
  }

  /** Waits for a task. @returns what came of it @throws what it failed with */
  async done<T>(task: TaskView): Promise<T> {
    await this.control.tasks.settled(task.id);
    const ended = this.control.tasks.get(task.id);
    if (ended?.error !== undefined) throw new Error(`${ended.error.code}: ${ended.error.message}`);
    return ended?.result as T;
  }

  /** A vDisk of these bytes, which boots with a kernel that is none. */
  async importDisk(name: string, content: Buffer): Promise<void> {
    const path = join(this.folder, `${name}.raw`);
    const kernel = join(this.folder, 'vmlinuz');
    writeFileSync(path, content);
    writeFileSync(kernel, 'kernel');
    const input = { name, path, format: 'raw', kernel } as const;
    await this.done(importVdisk(this.control, input));
  }
}
