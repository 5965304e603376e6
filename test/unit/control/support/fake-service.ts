/** A control plane over memory: SQLite in RAM, blocks and images that only count. */
import {
  type Clock,
  type Control,
  type ControlOptions,
  createControl,
  type DataPlane,
  type DataPlaneTotals,
  type EventRecord,
  type ImageStore,
  type ImportedLayer,
  type ImportProgress,
  type ImportRequest,
  importVdisk,
  type LayersInUse,
  type MachineLive,
  type MergeRequest,
  type OverlayChanges,
  type OverlayFacts,
  openCatalog,
  type SealRequest,
  type StoredLayer,
  type VerifiedLayer,
  type VerifyRequest,
} from '../../../../src/control/index.ts';
import { FakeTransfers } from './fake-transfers.ts';

export const START = Date.UTC(2026, 0, 2, 3, 4, 5);

export class FakeClock implements Clock {
  time = START;
  now(): number {
    return this.time;
  }
  advance(ms: number): void {
    this.time += ms;
  }
}

export const IDLE: MachineLive = {
  connections: [],
  bytesRead: 0,
  bytesWritten: 0,
  readRequests: 0,
  writeRequests: 0,
  cacheUsedBytes: 0,
  cacheFull: false,
  lastRequestAt: undefined,
  standsOn: undefined,
};

export class FakeDataPlane implements DataPlane {
  readonly live = new Map<string, MachineLive>();
  readonly renewed: string[] = [];
  readonly changed: string[] = [];
  readonly removed: string[] = [];
  readonly ended: string[] = [];
  /** By owner: a machine, or a version in maintenance. */
  readonly overlays = new Map<string, OverlayFacts>();
  /** Tops of chains that are being read. */
  readonly openLayers = new Set<string>();
  readonly openVdisks = new Map<string, number>();
  failRemove = false;

  set(machineId: string, live: Partial<MachineLive>): void {
    this.live.set(machineId, { ...this.machineLive(machineId), ...live });
  }
  machineLive(machineId: string): MachineLive {
    const live = this.live.get(machineId) ?? IDLE;
    return { ...live, standsOn: this.overlays.get(machineId)?.layerId };
  }
  async renewOverlay(machineId: string): Promise<void> {
    this.renewed.push(machineId);
    this.overlays.delete(machineId);
  }
  async machineChanged(machineId: string): Promise<void> {
    this.changed.push(machineId);
  }
  async endConnections(machineId: string): Promise<void> {
    this.ended.push(machineId);
    this.set(machineId, { connections: [] });
  }
  async removeOverlay(ownerId: string): Promise<void> {
    if (this.failRemove) throw new Error('disk is away');
    this.removed.push(ownerId);
    this.overlays.delete(ownerId);
  }
  overlay(ownerId: string): OverlayFacts | undefined {
    return this.overlays.get(ownerId);
  }
  openOverlaysIn(repositoryId: string): ReadonlySet<string> {
    const open = [...this.overlays].filter(
      ([, overlay]) => overlay.isOpen && overlay.repositoryId === repositoryId,
    );
    return new Set(open.map(([ownerId]) => ownerId));
  }
  layersInUse(): LayersInUse {
    const atRest = [...this.overlays.values()].filter(({ isOpen }) => !isOpen);
    return { open: this.openLayers, stoodOn: new Set(atRest.map(({ layerId }) => layerId)) };
  }
  vdiskConnections(vdiskId: string): number {
    return this.openVdisks.get(vdiskId) ?? 0;
  }
  totals(): DataPlaneTotals {
    return {
      workers: 2,
      connections: 3,
      readCacheBytes: 4,
      readCacheBytesMax: 5,
      readCacheHits: 6,
      readCacheMisses: 7,
    };
  }
}

interface PendingImport {
  readonly request: ImportRequest;
  readonly progress: (progress: ImportProgress) => void;
  readonly finish: (layer?: Partial<ImportedLayer>) => void;
  readonly fail: (error: unknown) => void;
}

/** Imports wait until the test finishes them, unless `instant`. */
export class FakeImages implements ImageStore {
  instant = true;
  readonly pending: PendingImport[] = [];
  readonly sealed: SealRequest[] = [];
  readonly removed: string[] = [];
  failRemove = false;
  #next = 0;

  importImage(
    request: ImportRequest,
    progress: (progress: ImportProgress) => void,
    signal: AbortSignal,
  ): Promise<ImportedLayer> {
    const number = ++this.#next;
    if (this.instant) return Promise.resolve(fakeLayer(number));
    return new Promise((resolve, reject) => {
      signal.addEventListener('abort', () => reject(signal.reason));
      this.pending.push({
        request,
        progress,
        finish: (layer = {}) => resolve({ ...fakeLayer(number), ...layer }),
        fail: reject,
      });
    });
  }
  async seal<T>(request: SealRequest, keep: (layer: StoredLayer) => T): Promise<T> {
    this.sealed.push(request);
    return keep({ ...fakeLayer(++this.#next), bootFiles: request.bootFiles });
  }
  async changes(): Promise<OverlayChanges> {
    return { ownedBytes: 4096, zeroedBytes: 0, changedChunks: 1, chunks: 100, partitions: [] };
  }
  async merge(_request: MergeRequest): Promise<StoredLayer> {
    return fakeLayer(++this.#next);
  }
  async verify(request: VerifyRequest, each: (layer: VerifiedLayer) => void): Promise<void> {
    for (const layerId of request.layerIds) {
      each({ layerId, chunks: 1, bytes: 65_536, damaged: [], damagedChunks: 0 });
    }
  }
  async removeLayer(layerId: string): Promise<void> {
    if (this.failRemove) throw new Error('disk is away');
    this.removed.push(layerId);
  }
  async space(): Promise<{ totalBytes: number; freeBytes: number }> {
    return { totalBytes: 1000, freeBytes: 400 };
  }
}

export function fakeLayer(number: number): ImportedLayer {
  return {
    layerId: `layer-${number}`,
    volumeId: `volume-${number}`,
    contentId: 'ab'.repeat(32),
    size: 2 ** 41,
    dataBytes: 2 ** 30,
    ownBytes: 2 ** 30,
    noKernelReason: undefined,
    format: 'qcow2',
    bootFiles: {
      kernel: 'vmlinuz',
      initrd: 'initrd.img',
      rootPartition: 'p1',
      rootFilesystem: 'ext4',
      initramfs: 'initramfs-tools',
      given: false,
    },
  };
}

export interface FakeService {
  readonly control: Control;
  readonly clock: FakeClock;
  readonly dataPlane: FakeDataPlane;
  readonly images: FakeImages;
  readonly transfers: FakeTransfers;
  /** What the service's log was told. */
  readonly told: EventRecord[];
}

export function fakeService(options: Partial<ControlOptions> = {}): FakeService {
  const clock = new FakeClock();
  const dataPlane = new FakeDataPlane();
  const images = new FakeImages();
  const transfers = new FakeTransfers();
  const told: EventRecord[] = [];
  let ids = 0;
  const control = createControl({
    catalog: openCatalog(':memory:'),
    dataPlane,
    images,
    transfers,
    clock,
    newId: () => `id-${++ids}`,
    serverName: 'rack-1',
    version: '0.1.0',
    passwordLogCost: 4, // thousands of times as fast as what is served
    onEvent: (event) => told.push(event),
    ...options,
  });
  return { control, clock, dataPlane, images, transfers, told };
}

/** Imports at once and waits for it. */
export async function withVdisk(service: FakeService, name = 'debian'): Promise<void> {
  const task = importVdisk(service.control, { name, path: '/images/debian.qcow2' });
  await service.control.tasks.settled(task.id);
}

/** The kinds of the events so far, oldest first. */
export function kinds(service: FakeService): string[] {
  return service.told.map((event) => event.kind);
}
