/** The ports of the control plane with nothing behind them: what is left is the control plane. */
import type {
  DataPlane,
  ImageStore,
  MachineLive,
  OverlayFacts,
  Transfers,
} from '../../src/control/index.ts';

const CONNECTED_AT = Date.UTC(2026, 0, 1);

/** Machines are connected, and some have a persistent write cache. */
export class IdleDataPlane implements DataPlane {
  /** Layers that write caches stand on, by machine. */
  readonly standsOn = new Map<string, string>();
  readonly #connection = { address: '192.0.2.1:40000', connectedAt: CONNECTED_AT, tls: false };

  machineLive(machineId: string): MachineLive {
    return {
      connections: [this.#connection],
      bytesRead: 2 ** 30,
      bytesWritten: 2 ** 20,
      readRequests: 10_000,
      writeRequests: 1_000,
      cacheUsedBytes: 2 ** 20,
      cacheFull: false,
      lastRequestAt: CONNECTED_AT,
      standsOn: this.standsOn.get(machineId),
    };
  }
  overlay(ownerId: string): OverlayFacts | undefined {
    const layerId = this.standsOn.get(ownerId);
    return layerId === undefined ? undefined : { layerId, usedBytes: 2 ** 20, isOpen: true };
  }
  async renewOverlay(): Promise<void> {}
  async machineChanged(): Promise<void> {}
  async endConnections(): Promise<void> {}
  async removeOverlay(): Promise<void> {}
  openOverlaysIn(): ReadonlySet<string> {
    return new Set();
  }
  layersInUse() {
    return { open: new Set(this.standsOn.values()), stoodOn: new Set<string>() };
  }
  vdiskConnections(): number {
    return 0;
  }
  totals() {
    return {
      workers: 2,
      connections: 0,
      readCacheBytes: 0,
      readCacheBytesMax: 0,
      readCacheHits: 0,
      readCacheMisses: 0,
    };
  }
}

const refuse = (): Promise<never> => Promise.reject(new Error('there are no images here'));

export const NO_IMAGES: ImageStore = {
  importImage: refuse,
  seal: refuse,
  changes: refuse,
  merge: refuse,
  verify: refuse,
  removeLayer: async () => {},
  space: async () => ({ totalBytes: 0, freeBytes: 0 }),
};

export const NO_TRANSFERS: Transfers = {
  exportStream: refuse,
  exportFile: refuse,
  bundleStream: refuse,
  bundleFile: refuse,
  chunkStream: refuse,
  bundleHead: refuse,
  receiveBundle: refuse,
  spool: refuse,
};
