/**
 * The control thread's half of the data path: says what an export is made of (StackPlan), keeps the
 * overlays' generations, and answers for the workers' live figures. No block passes through here.
 */
import { setTimeout as delay } from 'node:timers/promises';
import type {
  Catalog,
  Clock,
  DataPlane,
  DataPlaneTotals,
  LayersInUse,
  MachineDisk,
  MachineLive,
  OverlayFacts,
} from '../control/index.ts';
import { listVdiskDisks, machineDiskById } from '../control/index.ts';
import { BlockError, Fault } from '../errors/index.ts';
import type { ExportSummary, StackPlan } from '../exports/index.ts';
import type { ServiceBootReads } from './boot-reads.ts';
import {
  type MachineOwner,
  mayOwn,
  ownerToOpen,
  ownerToRenew,
  type ReadOnlyDisk,
  readOnlyDisk,
} from './disk-owner.ts';
import { MACHINE, noExport, VDISK, VOLUME, vdiskExport } from './export-names.ts';
import { LayerPlans } from './layer-plans.ts';
import type { LayerShelf } from './layer-shelf.ts';
import { FENCE_ASK_MS, FENCE_TELL_MS } from './limits.ts';
import { MachineSessions, machineExport, type SessionTicket } from './machine-sessions.ts';
import type { Generation, OverlayBook } from './overlay-book.ts';
import { OverlayFigures } from './overlay-figures.ts';
import type { RecoveryThreads } from './recovery/index.ts';
import type { AttachedRepositories } from './storage/attached-repositories.ts';
import type { TrafficBook } from './storage/traffic-book.ts';
import type { VolumeExports } from './storage/volume-exports.ts';
import type { WorkerBarrier } from './storage/worker-barrier.ts';
import type { BarrierAnswer, PoolOwner, WorkerPool } from './workers/worker-pool.ts';
import { type DiskResolver, isDiskExport, openNbdDisk } from './xen/index.ts';

export interface ServiceDataPlaneOptions {
  readonly catalog: Catalog;
  readonly overlays: OverlayBook;
  /** Where the book has the maps of many overlays opened; absent: in this thread. */
  readonly recovery?: RecoveryThreads;
  readonly layers: LayerShelf;
  readonly readCacheBytesMax: number;
  readonly maintenanceLeaseMs: number;
  /** How long connections may take to end when another machine is to write what they write. */
  readonly fenceMs: number;
  readonly clock: Clock;
  /** Repositories and their volumes; absent: there are none. */
  readonly storage?: DataPlaneStorage;
  /** Records of machines that boot; absent: none is recorded. */
  readonly bootReads?: Pick<ServiceBootReads, 'recordOf' | 'ended'>;
  /** The service cannot go on: a worker died. */
  readonly died: (error: Error) => void;
  /** Something of one machine failed; the others are not concerned. */
  readonly troubled: (subject: string, what: string, error: unknown) => void;
}

/** What workers open of storage repositories, and how they are held meanwhile. */
export interface DataPlaneStorage {
  readonly exports: Pick<VolumeExports, 'open' | 'openDisk' | 'list' | 'release'>;
  readonly barrier: Pick<WorkerBarrier, 'receive'>;
  readonly repositories: Pick<AttachedRepositories, 'answer'>;
  readonly traffic: Pick<TrafficBook, 'use' | 'release'>;
}

/** What a machine, or somebody who looks at a vDisk, has opened since the start. */
interface Opened {
  readonly exportName: string;
  /** Of the overlay: the machine, or the version that it writes. */
  readonly ownerId: string;
  readonly vdiskId: string;
}

/** What is asked of the data workers. */
export type Workers = Pick<
  WorkerPool,
  'size' | 'connectionCount' | 'connectionsOf' | 'total' | 'endExport'
>;

export class ServiceDataPlane implements DataPlane, PoolOwner {
  readonly #options: ServiceDataPlaneOptions;
  /** By machine id: a machine that is deleted is no longer in the catalog. */
  readonly #opened = new Map<string, Opened>();
  /** Exports of vDisks that were opened, and the vDisk's id. */
  readonly #openedVdisks = new Map<string, string>();
  readonly #layerPlans: LayerPlans;
  readonly #figures: OverlayFigures;
  readonly #sessions = new MachineSessions((ownerId) => this.#endAll(ownerId, 0));
  #pool: Workers | undefined;
  #diskResolver: DiskResolver | undefined;

  constructor(options: ServiceDataPlaneOptions) {
    this.#options = options;
    this.#layerPlans = new LayerPlans(options.layers, options.storage?.traffic);
    this.#figures = new OverlayFigures(options);
  }

  /** The workers need this object to start, and it needs them to answer. */
  attach(pool: Workers): void {
    this.#pool = pool;
  }

  /** From now on disks are served by their UUIDs, to sessions (xen/nbd-disks.ts). */
  resolveWith(resolver: DiskResolver): void {
    this.#diskResolver = resolver;
  }

  // What the workers ask

  async open(name: string): Promise<StackPlan> {
    if (isDiskExport(name)) return this.#openDisk(name);
    if (name.startsWith(MACHINE)) return this.#openMachine(name);
    if (name.startsWith(VDISK)) return this.#openVdisk(name);
    const { storage } = this.#options;
    if (name.startsWith(VOLUME) && storage !== undefined) return storage.exports.open(name);
    throw noExport(name);
  }

  list(): readonly ExportSummary[] {
    const { catalog } = this.#options;
    const vdisks = new Map(catalog.vdisks.all().map(({ id, name }) => [id, name]));
    return [
      ...listVdiskDisks(catalog, this.#options.clock.now()).map((disk) => ({
        name: `${VDISK}${disk.vdiskName}`,
        description: `version ${disk.version}, read-only`,
      })),
      ...catalog.machines.all().map((machine) => ({
        name: `${MACHINE}${machine.name}`,
        description: `${vdisks.get(machine.vdiskId)}, write cache ${machine.cacheMode}`,
      })),
      ...(this.#options.storage?.exports.list() ?? []),
    ];
  }

  #openDisk(name: string): Promise<StackPlan> {
    const { catalog, storage } = this.#options;
    const parts = { catalog, volumes: storage?.exports, layers: this.#layerPlans };
    return openNbdDisk(parts, this.#diskResolver, name);
  }

  released(key: string, name: string): void {
    if (this.#options.storage?.exports.release(key, name) === true) return;
    if (this.#layerPlans.release(key)) return;
    this.#options.overlays
      .released(key)
      .catch((error: unknown) => this.#options.troubled(key, 'deleting an old write cache', error));
  }

  async answer(repositoryId: string, question: unknown): Promise<unknown> {
    const { storage } = this.#options;
    if (storage !== undefined) return storage.repositories.answer(repositoryId, question);
    throw new BlockError('ESHUTDOWN', 'open', 0, 0, 'there are no repositories');
  }

  barrier(worker: number, message: BarrierAnswer): void {
    this.#options.storage?.barrier.receive(worker, message);
  }

  aheadEnded(message: Parameters<ServiceBootReads['ended']>[0]): void {
    this.#options.bootReads?.ended(message);
  }

  died(error: Error): void {
    this.#options.died(error);
  }

  // What the control plane asks

  machineLive(machineId: string): MachineLive {
    // Asked for every machine, every second: no question to the catalog, no walk over connections.
    const { overlays } = this.#options;
    const opened = this.#opened.get(machineId);
    const gauges = overlays.gauges(opened?.ownerId ?? machineId);
    const connections = opened === undefined ? [] : this.#connectionsOf(opened.exportName);
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
      standsOn: overlays.standsOn(machineId),
    };
  }

  async renewOverlay(machineId: string): Promise<void> {
    const { overlays } = this.#options;
    // Its figures are those of its own disk again, and not of a version that it wrote.
    const opened = this.#opened.get(machineId);
    if (opened !== undefined) this.#opened.set(machineId, { ...opened, ownerId: machineId });
    const owner = ownerToRenew(this.#machine(machineId));
    if (owner === undefined) await overlays.remove(machineId);
    else await overlays.renew(owner);
  }

  async machineChanged(machineId: string): Promise<void> {
    this.#options.overlays.setQuota(machineId, this.#machine(machineId).quotaBytes);
  }

  endConnections(ownerId: string): Promise<void> {
    return this.#endAll(ownerId, FENCE_ASK_MS);
  }

  /** @param askMs how long they may take to answer what they have accepted */
  async #endAll(ownerId: string, askMs: number): Promise<void> {
    const { overlays, fenceMs } = this.#options;
    const idle = overlays.idle(ownerId).then(() => true);
    for (let waited = 0; waited < fenceMs; waited += FENCE_TELL_MS) {
      for (const name of overlays.openedAs(ownerId)) {
        this.#pool?.endExport(name, waited >= askMs);
      }
      const enough = new AbortController();
      const timeout = delay(FENCE_TELL_MS, false, { signal: enough.signal }).catch(() => false);
      const ended = await Promise.race([idle, timeout]);
      enough.abort();
      if (ended) return;
    }
    const names = overlays.openedAs(ownerId).join(', ');
    throw new Fault('UNAVAILABLE', `a connection to ${names} did not end in ${fenceMs / 1000} s`, {
      field: 'machine.connections',
      value: names,
      expected: 'connections that end when they are told to',
    });
  }

  async removeOverlay(ownerId: string): Promise<void> {
    this.#sessions.forget(ownerId);
    for (const [machineId, { exportName, ownerId: of }] of this.#opened) {
      if (of !== ownerId && machineId !== ownerId) continue;
      this.#pool?.endExport(exportName, false);
      this.#opened.delete(machineId);
    }
    await this.#options.overlays.remove(ownerId);
  }

  overlay(ownerId: string): OverlayFacts | undefined {
    return this.#options.overlays.facts(ownerId);
  }

  openOverlaysIn(repositoryId: string): ReadonlySet<string> {
    return this.#options.overlays.openIn(repositoryId);
  }

  layersInUse(): LayersInUse {
    const { overlays, layers } = this.#options;
    const { open, stoodOn } = overlays.layersInUse();
    // A machine that writes to itself comes back to the layer that it booted, as to an overlay.
    const readFrom = this.#options.catalog.machineCaches.all().map(({ layerId }) => layerId);
    return {
      open: new Set([...open, ...layers.inUse()]),
      stoodOn: new Set([...stoodOn, ...readFrom]),
    };
  }

  vdiskConnections(vdiskId: string): number {
    const names = new Set<string>();
    for (const opened of this.#opened.values()) {
      if (opened.vdiskId === vdiskId) names.add(opened.exportName);
    }
    for (const [exportName, of] of this.#openedVdisks) if (of === vdiskId) names.add(exportName);
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

  /** @param repositoryId of those in it: it was attached just now */
  loadOverlays(repositoryId?: string): Promise<void> {
    return this.#figures.load(repositoryId);
  }

  /** After the workers have left: what was acknowledged survives a restart of the host as well. */
  settleOverlays(): Promise<void> {
    return this.#figures.settle();
  }

  async #openMachine(asked: string): Promise<StackPlan> {
    const { name: exportName, session } = machineExport(asked);
    const { overlays, layers } = this.#options;
    const readOnly = readOnlyDisk(this.#options, exportName);
    if (readOnly !== undefined) return this.#openReadOnly(exportName, readOnly);
    const asking = await this.#ownerToOpen(exportName);
    const ticket = await this.#sessions.enter({ ...asking, name: exportName }, session);
    // While older connections ended, the machine may have been booted to another disk, or to write to itself.
    const booted = readOnlyDisk(this.#options, exportName);
    if (booted !== undefined) return this.#openReadOnly(exportName, booted);
    const owner = session === undefined ? asking : await this.#ownerToOpen(exportName);
    if (owner.ownerId !== asking.ownerId) throw new Fault('UNAVAILABLE', BOOTED_AGAIN);
    const overlay = await overlays.use({ ...owner, exportName });
    try {
      const chain = await layers.plan(overlay.readsFrom);
      this.#refuseOutdated(exportName, owner, ticket);
      const { ownerId, machineId, vdiskId, vdiskName } = owner;
      this.#opened.set(machineId, { exportName, ownerId, vdiskId });
      return {
        key: overlay.key,
        name: exportName,
        description: `disk of ${vdiskName}`,
        chain,
        overlay: planOf(overlay),
        record: this.#options.bootReads?.recordOf(machineId),
      };
    } catch (error) {
      await overlays.released(overlay.key);
      // Nobody else would remove what `use` may have made anew.
      if (!mayOwn(this.#options, owner, exportName)) await overlays.remove(owner.ownerId);
      throw error;
    }
  }

  #ownerToOpen(exportName: string): Promise<MachineOwner> {
    const { catalog, overlays, clock, maintenanceLeaseMs: leaseMs } = this.#options;
    return ownerToOpen({ catalog, overlays, dataPlane: this, clock, leaseMs }, exportName);
  }

  /** Nobody writes it, so sessions do not count: two connections can undo nothing of each other's. */
  async #openReadOnly(exportName: string, disk: ReadOnlyDisk): Promise<StackPlan> {
    const { machineId, vdiskId, vdiskName, layerId } = disk;
    const description = `disk of ${vdiskName}, read-only: its writes go to the machine`;
    const plan = await this.#layerPlans.plan(exportName, layerId, description);
    if (this.#options.catalog.machines.byId(machineId) === undefined) {
      this.released(plan.key, plan.name);
      throw noExport(exportName);
    }
    this.#opened.set(machineId, { exportName, ownerId: machineId, vdiskId });
    return plan;
  }

  /** While its disk was opened the machine may have been deleted, booted, or shut out from what it writes. */
  #refuseOutdated(
    exportName: string,
    { machineId, ownerId, token }: MachineOwner,
    ticket: SessionTicket,
  ): void {
    if (ticket.isStale()) {
      throw new Fault('PERMISSION_DENIED', `a newer connection has taken ${exportName} over`);
    }
    if (this.#options.catalog.machines.byId(machineId) === undefined) throw noExport(exportName);
    if (readOnlyDisk(this.#options, exportName) !== undefined) {
      throw new Fault('UNAVAILABLE', BOOTED_AGAIN);
    }
    if (token?.isStale() === true) {
      throw new Fault('PERMISSION_DENIED', `another machine writes what ${exportName} wrote`, {
        field: 'version.writer',
        value: ownerId,
      });
    }
  }

  async #openVdisk(name: string): Promise<StackPlan> {
    const { catalog } = this.#options;
    const disk = vdiskExport(catalog, name, this.#options.clock.now());
    const description = `version ${disk.version}, read-only`;
    const plan = await this.#layerPlans.plan(name, disk.layerId, description);
    this.#openedVdisks.set(name, disk.vdiskId);
    return plan;
  }

  #machine(machineId: string): MachineDisk {
    const disk = machineDiskById(this.#options.catalog, machineId, this.#options.clock.now());
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

const BOOTED_AGAIN = 'the machine boots another disk by now';

const planOf = ({ state, data, map }: Generation) => ({ state, data, map });
