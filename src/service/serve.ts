/**
 * The composition root of the control thread: opens things in the order in which they need each
 * other, and closes them in the opposite order.
 */
import { randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { LocalVolumeControl, LocalVolumeData } from '../adapters/local/index.ts';
import { buildApi } from '../api/index.ts';
import {
  type Catalog,
  type Clock,
  type Control,
  closeControl,
  createControl,
  openCatalog,
  recordEvent,
  recoverControl,
} from '../control/index.ts';
import { type RunningPxe, startPxe } from '../pxe/index.ts';
import { bootCatalog, leaseStore, pxeReporter } from './boot-catalog.ts';
import { ServiceBootMedia } from './boot-media/index.ts';
import { openBootReads, type ServiceBootReads } from './boot-reads.ts';
import { type Config, splitHostPort, workerCount } from './config/index.ts';
import { adminToken, type DataFolder, openDataFolder, replaceFile } from './data-folder.ts';
import { ServiceDataPlane } from './data-plane.ts';
import { damageEvent, type FlushJournals, openFlushJournals } from './flush-journals.ts';
import { ServiceHooks } from './hooks/index.ts';
import { LayerReplicaStore } from './layer-replicas.ts';
import { LayerShelf } from './layer-shelf.ts';
import { LayerStore, sweepLayers } from './layer-store.ts';
import { FENCE_MS } from './limits.ts';
import { closeHttp, listenHttp } from './listen-http.ts';
import { createLog, type Log } from './log.ts';
import { openOverlays } from './open-overlays.ts';
import { openRepositories, replicationParts } from './open-repositories.ts';
import type { OverlayBook } from './overlay-book.ts';
import { ServiceImagePreparer } from './prepare/index.ts';
import { inTermsOfSettings, pxeConfig } from './pxe-config.ts';
import type { ReplicationThread } from './replication/index.ts';
import { startTicker } from './start-ticker.ts';
import { LayerRepositories, type OpenStorage } from './storage/index.ts';
import { tlsFiles } from './tls-files.ts';
import { TransferStore } from './transfers/index.ts';
import { WorkerPool } from './workers/worker-pool.ts';
import { type ServiceDisks, startXenApi, XenEvents } from './xen/index.ts';

export interface RunningService {
  /** Where the REST API listens, e.g. `http://127.0.0.1:8480`. */
  readonly http: string;
  /** Where the NBD server listens. */
  readonly nbd: string;
  /** Where XenAPI listens; undefined: it does not. */
  readonly xenapi: string | undefined;
  readonly pxe: RunningPxe['addresses'] | undefined;
  /** Resolves with the error when the service cannot go on. */
  readonly failed: Promise<Error>;
  stop(): Promise<void>;
}

const VERSION: string = (
  JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as {
    version: string;
  }
).version;

const systemClock: Clock = { now: () => Date.now() };

/** Undoes what was opened, last first; what fails to close is logged and does not stop the rest. */
class Closers {
  readonly #steps: { name: string; close: () => unknown }[] = [];
  readonly #log: Log;

  constructor(log: Log) {
    this.#log = log;
  }

  add(name: string, close: () => unknown): void {
    this.#steps.push({ name, close });
  }

  async closeAll(): Promise<void> {
    for (let step = this.#steps.pop(); step !== undefined; step = this.#steps.pop()) {
      try {
        await step.close();
      } catch (err) {
        this.#log.error({ err }, `closing ${step.name}`);
      }
    }
  }
}

/**
 * Starts everything and returns when every listener is up.
 * @throws Fault with what was wrong; nothing stays open then
 */
export async function serve(
  config: Config,
  givenToken: string | undefined,
): Promise<RunningService> {
  const log = createLog(config.log.level, 'rootcast');
  const closers = new Closers(log);
  try {
    return await compose(config, givenToken, log, closers);
  } catch (error) {
    await closers.closeAll();
    throw error;
  }
}

async function compose(
  config: Config,
  givenToken: string | undefined,
  log: Log,
  closers: Closers,
): Promise<RunningService> {
  const folder = openDataFolder(config.data);
  closers.add('data folder', folder.unlock);
  const token = adminToken(folder, givenToken);
  const catalog = openCatalog(folder.catalog);
  closers.add('catalog', () => catalog.close());
  const repository = await openOwnRepository(folder, catalog, log);
  let fail: (error: Error) => void = () => undefined;
  const failed = new Promise<Error>((resolve) => {
    fail = resolve;
  });

  const bootId = readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
  const path = { folder, catalog, repository, bootId, log, fail };
  const opened = await startDataPath(config, path, closers);
  const { dataPlane, pool, layers, overlays, storage, replicator, journals, bootReads } = opened;
  const { disks } = opened;

  const transfers = new TransferStore({
    ...{ folder, catalog, repository, layers, newId: randomUUID, serverName: hostname() },
    consolidateBeyond: config.layers.most,
  });
  closers.add('transfers', () => transfers.close());
  const bootMedia = new ServiceBootMedia();
  const xenEvents = new XenEvents();
  const control = createControl({
    ...{ bootMedia, catalog, dataPlane },
    preparer: new ServiceImagePreparer(folder),
    images: new LayerStore({ folder, catalog, repository, layers, overlays, bootId }),
    transfers,
    hooks: new ServiceHooks(folder.hooks),
    clock: systemClock,
    newId: randomUUID,
    serverName: hostname(),
    version: VERSION,
    maintenanceLeaseMs: config.maintenance.lease * 1000,
    consolidateBeyond: config.layers.most,
    admission: admissionOf(config),
    bootReads,
    ...(config.xenapi.root ? { xenRootPassword: token } : {}),
    storage: storage.storage,
    replication: replicationParts(replicator, storage),
    replicas: new LayerReplicaStore({ folder, dataPlane, repository, layers, newId: randomUUID }),
    onEvent: (event) => {
      log.info({ event }, event.message);
      xenEvents.note(event);
    },
  });
  closers.add('tasks', () => closeControl(control));
  for (const damage of journals.damages) recordEvent(control, damageEvent(damage));
  await recoverControl(control);
  await dataPlane.loadOverlays();
  startTicker(control, config, (name, close) => closers.add(name, close), log);

  const parts = {
    ...{ folder, token, control, bootMedia, layers, dataPlane, disks, xenEvents, log },
    traffic: storage.traffic,
  };
  const addresses = await startListeners(config, { ...parts, nbdPort: pool.port }, closers);
  return { ...addresses, failed, stop: () => closers.closeAll() };
}

/** Everything but NBD, which the data workers listen for. */
async function startListeners(
  config: Config,
  parts: {
    readonly folder: DataFolder;
    readonly token: string;
    readonly control: Control;
    readonly bootMedia: ServiceBootMedia;
    readonly layers: LayerShelf;
    readonly dataPlane: ServiceDataPlane;
    readonly disks: ServiceDisks;
    readonly traffic: OpenStorage['traffic'];
    readonly xenEvents: XenEvents;
    readonly nbdPort: number;
    readonly log: Log;
  },
  closers: Closers,
): Promise<Pick<RunningService, 'http' | 'nbd' | 'xenapi' | 'pxe'>> {
  const { folder, token, control, bootMedia, layers, nbdPort, log } = parts;
  const app = buildApi({
    control,
    token,
    logger: log.child({ name: 'api' }, { level: config.log.level === 'debug' ? 'debug' : 'warn' }),
  });
  const listen = splitHostPort(config.http.listen, 'http.listen');
  const http = await listenHttp(app, listen, 'http.listen');
  closers.add('REST API', () => closeHttp(app));
  const xen = { ...parts, uploads: folder.uploads };
  const xenapi = await startXenApi(config, xen, (name, close) => closers.add(name, close));
  parts.xenEvents.follow(xenapi);
  const pxe = await startPxeServices(config, control, layers, nbdPort, log);
  if (pxe !== undefined) {
    closers.add('PXE', () => pxe.close());
    const { address: host, port } = pxe.addresses.http;
    bootMedia.setOwnServer({ host, port });
  }
  const host = config.nbd.listen.slice(0, config.nbd.listen.lastIndexOf(':'));
  const told = { http, nbd: `nbd://${host}:${nbdPort}` };
  announce(folder, control, { ...told, ...(xenapi === undefined ? {} : { xenapi: xenapi.url }) });
  return { ...told, xenapi: xenapi?.url, pxe: pxe?.addresses };
}

/** What a crash left of layers goes first. */
async function openOwnRepository(
  folder: DataFolder,
  catalog: Catalog,
  log: Log,
): Promise<LayerRepositories> {
  const own = {
    volumes: await LocalVolumeControl.attach(folder.repository),
    data: new LocalVolumeData({ log }),
  };
  const repository = new LayerRepositories(own, catalog);
  const known = new Set(catalog.layers.all().map(({ id }) => id));
  await sweepLayers(folder.layers, repository.volumes, known);
  return repository;
}

function admissionOf({ boots }: Config) {
  return { most: boots.most, perSecond: boots.perSecond, slotMs: boots.slotSeconds * 1000 };
}

function announce(
  folder: DataFolder,
  control: Control,
  addresses: { readonly http: string; readonly nbd: string; readonly xenapi?: string },
): void {
  const told = `${JSON.stringify({ ...addresses, pid: process.pid })}\n`;
  replaceFile(join(folder.path, 'server.json'), told, 0o644);
  recordEvent(control, {
    kind: 'service.started',
    subject: hostname(),
    message: `Rootcast ${VERSION} started`,
  });
}

interface DataPathParts {
  readonly folder: DataFolder;
  readonly catalog: Catalog;
  readonly repository: LayerRepositories;
  readonly bootId: string;
  readonly log: Log;
  readonly fail: (error: Error) => void;
}

async function startDataPath(
  config: Config,
  parts: DataPathParts,
  closers: Closers,
): Promise<{
  readonly dataPlane: ServiceDataPlane;
  readonly pool: WorkerPool;
  readonly layers: LayerShelf;
  readonly overlays: OverlayBook;
  readonly storage: OpenStorage;
  readonly disks: ServiceDisks;
  readonly replicator: ReplicationThread;
  readonly journals: FlushJournals;
  readonly bootReads: ServiceBootReads;
}> {
  const { folder, catalog, repository, bootId } = parts;
  const workers = workerCount(config);
  const journals = await openJournals(config, parts, workers);
  const layers = new LayerShelf(catalog, repository.volumes, folder.layers, (id) =>
    repository.isAttached(id),
  );
  const troubled = (subject: string, what: string, err: unknown): void =>
    parts.log.error({ err, subject }, what);
  const { unrestored } = journals;
  const own = { catalog, repository, bootId, workers, layers, unrestored, troubled };
  const { overlays, recovery } = await openOverlays(config.log.level, own);
  const opened = openRepositories({ ...parts, layers, clock: systemClock, workers });
  const { storage, replicator, barrier } = opened;
  const { exports, repositories, traffic } = storage;
  repository.reach(storage);
  const sharedBytes = config.cache.shared;
  const shared = openBootReads({ layers, clock: systemClock, troubled, sharedBytes });
  const { bootReads, sharedCache } = shared;
  const dataPlane = new ServiceDataPlane({
    bootReads,
    catalog,
    overlays,
    recovery,
    layers,
    storage: { exports, repositories, traffic, barrier },
    readCacheBytesMax: config.cache.read,
    maintenanceLeaseMs: config.maintenance.lease * 1000,
    fenceMs: FENCE_MS,
    clock: systemClock,
    died: parts.fail,
    troubled,
  });
  opened.whenAttached((id) => void dataPlane.loadOverlays(id));
  // Before the workers: what is open must be closed again when they cannot start.
  let started: WorkerPool | undefined;
  closers.add('repositories', () => storage.close());
  closers.add('write caches', () => dataPlane.settleOverlays());
  closers.add('data workers', () => started?.drain(config.drainSeconds * 1000));
  closers.add('replication', () => replicator.close());
  closers.add('read-ahead', () => bootReads.close());
  const pool = await WorkerPool.start(
    workers,
    {
      listen: splitHostPort(config.nbd.listen, 'nbd.listen'),
      unix: config.nbd.unix,
      tls: tlsFiles(config.nbd.tls),
      coalesce: config.nbd.coalesce,
      busyPoll: config.nbd.busyPoll,
      connectionsMax: Math.ceil(config.nbd.connectionsMax / workers),
      readCacheBytes: Math.floor(config.cache.read / workers),
      sharedCache,
      logLevel: config.log.level,
      bootId,
    },
    journals.ofWorker,
    dataPlane,
  );
  started = pool;
  dataPlane.attach(pool);
  bootReads.attach(pool);
  opened.reachWorkers(pool);
  const { disks } = opened;
  return { dataPlane, pool, layers, overlays, storage, disks, replicator, journals, bootReads };
}

/** What is wrong with them is said; the service goes on. */
async function openJournals(
  config: Config,
  parts: { readonly repository: LayerRepositories; readonly bootId: string; readonly log: Log },
  workers: number,
): Promise<FlushJournals> {
  const { repository, bootId, log } = parts;
  const journals = await openFlushJournals({
    repository,
    bootId,
    workers,
    bytes: config.cache.journal,
  });
  for (const [key, err] of journals.unrestored) {
    log.error({ err, overlay: key }, 'restoring flushed writes from the journal');
  }
  if (journals.failure !== undefined) {
    const err = journals.failure;
    log.error({ err }, 'no flush journal could be made: flushes are slower until the next start');
  }
  return journals;
}

async function startPxeServices(
  config: Config,
  control: Control,
  layers: LayerShelf,
  nbdPort: number,
  log: Log,
): Promise<RunningPxe | undefined> {
  const pxe = pxeConfig(config, nbdPort);
  if (pxe === undefined) return undefined;
  try {
    return await startPxe(pxe, bootCatalog(control, layers), {
      leases: leaseStore(control),
      report: pxeReporter(control, log.child({ name: 'pxe' })),
      clock: systemClock,
    });
  } catch (error) {
    throw inTermsOfSettings(error);
  }
}
