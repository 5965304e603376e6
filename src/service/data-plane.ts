/**
 * The control thread's half of the data path: says what an export is made of (StackPlan), keeps the
 * overlays' generations, and answers for the workers' live figures. No block passes through here.
 */
import { forEachOf } from '../base/index.ts';
import type {
  Catalog,
  DataPlane,
  DataPlaneTotals,
  MachineDisk,
  MachineLive,
} from '../control/index.ts';
import {
  listMachineDisks,
  listVdiskDisks,
  machineDisk,
  machineDiskById,
  vdiskDisk,
} from '../control/index.ts';
import { Fault } from '../errors/index.ts';
import type { ExportSummary, StackPlan } from '../exports/index.ts';
import type { LayerShelf } from './layer-shelf.ts';
import { OVERLAYS_OPENED_AT_ONCE } from './limits.ts';
import type { Generation, OverlayBook, OverlayOwner } from './overlay-book.ts';
import type { PoolOwner, WorkerPool } from './workers/worker-pool.ts';

const MACHINE = 'machine/';
const VDISK = 'vdisk/';

export interface ServiceDataPlaneOptions {
  readonly catalog: Catalog;
  readonly overlays: OverlayBook;
  readonly layers: LayerShelf;
  readonly readCacheBytesMax: number;
  /** The service cannot go on: a worker died. */
  readonly died: (error: Error) => void;
  /** Something of one machine failed; the others are not concerned. */
  readonly troubled: (subject: string, what: string, error: unknown) => void;
}

export class ServiceDataPlane implements DataPlane, PoolOwner {
  readonly #options: ServiceDataPlaneOptions;
  /** Exports of machines, by machine id: a machine that is deleted is no longer in the catalog. */
  readonly #opened = new Map<string, string>();
  #pool: WorkerPool | undefined;

  constructor(options: ServiceDataPlaneOptions) {
    this.#options = options;
  }

  /** The workers need this object to start, and it needs them to answer. */
  attach(pool: WorkerPool): void {
    this.#pool = pool;
  }

  // What the workers ask

  async open(name: string): Promise<StackPlan> {
    if (name.startsWith(MACHINE)) return this.#openMachine(name);
    if (name.startsWith(VDISK)) return this.#openVdisk(name);
    throw noExport(name);
  }

  list(): readonly ExportSummary[] {
    const { catalog } = this.#options;
    return [
      ...listVdiskDisks(catalog).map((disk) => ({
        name: `${VDISK}${disk.vdiskName}`,
        description: `version ${disk.version}, read-only`,
      })),
      ...listMachineDisks(catalog).map((disk) => ({
        name: `${MACHINE}${disk.machineName}`,
        description: `${disk.vdiskName}, write cache ${disk.cacheMode}`,
      })),
    ];
  }

  released(key: string): void {
    this.#options.overlays
      .released(key)
      .catch((error: unknown) => this.#options.troubled(key, 'deleting an old write cache', error));
  }

  died(error: Error): void {
    this.#options.died(error);
  }

  // What the control plane asks

  machineLive(machineId: string): MachineLive {
    // Asked for every machine, every second: no question to the catalog, no walk over connections.
    const gauges = this.#options.overlays.gauges(machineId);
    const exportName = this.#opened.get(machineId);
    const connections = exportName === undefined ? [] : this.#connectionsOf(exportName);
    return {
      connections: connections.map(({ address, connectedAt, tls }) => ({
        address,
        connectedAt,
        tls,
      })),
      bytesRead: gauges?.bytesRead ?? 0,
      bytesWritten: gauges?.bytesWritten ?? 0,
      readRequests: gauges?.readRequests ?? 0,
      writeRequests: gauges?.writeRequests ?? 0,
      cacheUsedBytes: gauges?.ownedBytes ?? 0,
      cacheFull: gauges?.full !== undefined,
      lastRequestAt: gauges?.lastRequestAt,
    };
  }

  async renewOverlay(machineId: string): Promise<void> {
    const disk = this.#machine(machineId);
    await this.#options.overlays.renew(ownerOf(disk));
  }

  async machineChanged(machineId: string): Promise<void> {
    const disk = this.#machine(machineId);
    this.#options.overlays.setQuota(machineId, disk.quotaBytes);
  }

  async removeMachine(machineId: string): Promise<void> {
    const exportName = this.#opened.get(machineId);
    if (exportName !== undefined) this.#pool?.endExport(exportName);
    this.#opened.delete(machineId);
    await this.#options.overlays.remove(machineId);
  }

  vdiskConnections(vdiskId: string): number {
    const { catalog } = this.#options;
    const names = new Set([
      ...listVdiskDisks(catalog)
        .filter((disk) => disk.vdiskId === vdiskId)
        .map((disk) => `${VDISK}${disk.vdiskName}`),
      ...listMachineDisks(catalog)
        .filter((disk) => disk.vdiskId === vdiskId)
        .map((disk) => `${MACHINE}${disk.machineName}`),
    ]);
    return [...names].reduce((sum, name) => sum + this.#connectionsOf(name).length, 0);
  }

  totals(): DataPlaneTotals {
    const pool = this.#pool;
    return {
      workers: pool?.size ?? 0,
      connections: pool?.connectionCount() ?? 0,
      readCacheBytes: pool?.total('readCacheBytes') ?? 0,
      readCacheBytesMax: this.#options.readCacheBytesMax,
      readCacheHits: pool?.total('readCacheHits') ?? 0,
      readCacheMisses: pool?.total('readCacheMisses') ?? 0,
    };
  }

  /** Opens the overlays that exist, so that their fill is known before anybody connects. */
  async loadOverlays(): Promise<void> {
    const disks = listMachineDisks(this.#options.catalog);
    await forEachOf(disks, OVERLAYS_OPENED_AT_ONCE, async (disk) => {
      try {
        await this.#options.overlays.load(ownerOf(disk));
      } catch (error) {
        // Tried again, and told to that machine, when it connects.
        const subject = `${MACHINE}${disk.machineName}`;
        this.#options.troubled(subject, 'opening the write cache', error);
      }
    });
  }

  /** After the workers have left: what was acknowledged survives a restart of the host as well. */
  async settleOverlays(): Promise<void> {
    for (const { key, error } of await this.#options.overlays.settle()) {
      this.#options.troubled(key, 'flushing the write cache at the end', error);
    }
  }

  async #openMachine(name: string): Promise<StackPlan> {
    const { catalog, overlays, layers } = this.#options;
    const disk = machineDisk(catalog, name.slice(MACHINE.length));
    if (disk === undefined) throw noExport(name);
    if (!disk.enabled) {
      throw new Fault('PERMISSION_DENIED', `machine ${disk.machineName} is disabled`);
    }
    const overlay = await overlays.use(ownerOf(disk));
    try {
      // Deleted while its overlay was opened: nobody would end this connection any more.
      if (machineDiskById(catalog, disk.machineId) === undefined) throw noExport(name);
      this.#opened.set(disk.machineId, name);
      const layer = await layers.plan(overlay.layerId, disk.size);
      const description = `${disk.vdiskName} version ${disk.version}`;
      return { key: overlay.key, name, description, layer, overlay: planOf(overlay) };
    } catch (error) {
      await overlays.released(overlay.key);
      // Deleted while we looked: nobody else would remove what `use` may have made anew.
      if (machineDiskById(catalog, disk.machineId) === undefined) {
        await overlays.remove(disk.machineId);
      }
      throw error;
    }
  }

  async #openVdisk(name: string): Promise<StackPlan> {
    const { catalog, layers } = this.#options;
    const disk = vdiskDisk(catalog, name.slice(VDISK.length));
    if (disk === undefined) throw noExport(name);
    const layer = await layers.plan(disk.layerId, disk.size);
    const description = `version ${disk.version}, read-only`;
    return { key: `layer:${disk.layerId}`, name, description, layer, overlay: undefined };
  }

  #machine(machineId: string): MachineDisk {
    const disk = machineDiskById(this.#options.catalog, machineId);
    if (disk !== undefined) return disk;
    throw new Fault('NOT_FOUND', `no machine with id ${machineId}`, {
      field: 'machineId',
      value: machineId,
    });
  }

  #connectionsOf(exportName: string) {
    return this.#pool?.connectionsOf(exportName) ?? [];
  }
}

const planOf = ({ state, data, map }: Generation) => ({ state, data, map });

const ownerOf = (disk: MachineDisk): OverlayOwner => ({
  machineId: disk.machineId,
  layerId: disk.layerId,
  layerIds: new Set(disk.layerIds),
  size: disk.size,
  quotaBytes: disk.quotaBytes,
});

const noExport = (name: string) =>
  new Fault('EXPORT_NOT_FOUND', `no export named ${JSON.stringify(name)}`);
