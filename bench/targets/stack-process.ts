/**
 * A data worker of Rootcast as a process of its own, for arrangements that the service cannot be
 * configured to yet: each machine's overlay over one sealed layer, whose volume is an export of another
 * NBD server. Everything from the wire to the volumes is src's own; only the plans are made here.
 *
 *   node bench/targets/stack-process.ts '{"origin":"nbd://…","machines":3,"folder":"…"}'
 *
 * Exports `machine-0`, `machine-1`, …
 */
import { readFileSync } from 'node:fs';
import { LocalVolumeControl, LocalVolumeData } from '../../src/adapters/local/index.ts';
import { ReadCache } from '../../src/block/index.ts';
import { Fault } from '../../src/errors/index.ts';
import {
  type ChainPlan,
  ExportTable,
  type OverlayPlan,
  type PlanSource,
  stackBuilder,
} from '../../src/exports/index.ts';
import { connectNbd, nbdDevice } from '../../src/nbd/index.ts';
import type { VolumeData } from '../../src/repositories/index.ts';
import {
  buildChainIndex,
  formatOverlay,
  overlayMapBytes,
  recoverOverlay,
} from '../../src/vdisk/index.ts';
import { READ_CACHE_BYTES, serveExports } from './serve-exports.ts';

export interface StackConfig {
  /** Where the layer's bytes are: an NBD URI. */
  readonly origin: string;
  readonly machines: number;
  /** Holds the overlays. */
  readonly folder: string;
}

const LAYER = 'origin';
const ORIGIN_ADAPTER = 'nbd';
const CHUNK_BYTES = 65_536;

const bootId = readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
const log = { warn: (_details: object, message: string) => console.error(message) };

/** Local volumes, and those that another NBD server has. */
function volumesOf(origin: string): VolumeData {
  const local = new LocalVolumeData({ log });
  return {
    open: async (locator, options) =>
      locator.adapter === ORIGIN_ADAPTER
        ? nbdDevice(await connectNbd(origin))
        : local.open(locator, options),
  };
}

async function sizeOf(origin: string): Promise<number> {
  const client = await connectNbd(origin);
  await client.disconnect();
  return client.negotiated.size;
}

function chainOf(size: number): ChainPlan {
  const presentChunks = new Uint8Array(Math.ceil(size / CHUNK_BYTES / 8)).fill(0xff);
  const volume = { adapter: ORIGIN_ADAPTER, volume: LAYER, address: {} };
  return {
    layerId: LAYER,
    size,
    index: buildChainIndex({ size, base: { size, presentChunks }, differences: [] }),
    layers: [{ layerId: LAYER, volume }],
  };
}

/** A fresh overlay, made when its machine comes for the first time, as the service does. */
async function createOverlay(
  name: string,
  size: number,
  control: LocalVolumeControl,
  volumes: VolumeData,
): Promise<OverlayPlan> {
  const data = await control.createVolume({ id: `${name}.data`, size });
  const map = await control.createVolume({ id: `${name}.map`, size: overlayMapBytes(size) });
  const device = await volumes.open(map.locator, { write: true });
  try {
    await formatOverlay(device, { size, bootId });
    const sizes = { size, bootId, quotaBytes: undefined, workers: 1 };
    const state = await recoverOverlay({ map: device, ...sizes });
    return { state, data: data.locator, map: map.locator };
  } finally {
    await device.close();
  }
}

async function planSource(config: StackConfig, volumes: VolumeData): Promise<PlanSource> {
  const size = await sizeOf(config.origin);
  const control = await LocalVolumeControl.attach(config.folder);
  const names = Array.from({ length: config.machines }, (_, machine) => `machine-${machine}`);
  const description = '';
  const chain = chainOf(size);
  const overlays = new Map<string, Promise<OverlayPlan>>();
  return {
    list: async () => names.map((name) => ({ name, description })),
    plan: async (name) => {
      if (!names.includes(name))
        throw new Fault('EXPORT_NOT_FOUND', `there is no export '${name}'`);
      const overlay = overlays.get(name) ?? createOverlay(name, size, control, volumes);
      overlays.set(name, overlay);
      return { key: name, name, description, chain, overlay: await overlay };
    },
    release: () => undefined,
  };
}

async function main(config: StackConfig): Promise<void> {
  const volumes = volumesOf(config.origin);
  const build = stackBuilder({
    volumes,
    readCache: new ReadCache({ capacityBytes: READ_CACHE_BYTES }),
    worker: 0,
    onFull: (exportName, reason) => console.error(`${exportName} is full: ${reason}`),
  });
  await serveExports(new ExportTable(await planSource(config, volumes), build));
}

if (import.meta.main) await main(JSON.parse(process.argv[2] ?? '{}') as StackConfig);
