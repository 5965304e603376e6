/** Overlays on memory volumes, for tests. */
import {
  type BlockDevice,
  MemoryDevice,
  type ReadableBlockDevice,
  SliceDevice,
} from '../../src/block/index.ts';
import {
  formatOverlay,
  openOverlay,
  overlayMapBytes,
  recoverOverlay,
} from '../../src/vdisk/index.ts';

export interface OverlaySetup {
  readonly base: ReadableBlockDevice;
  readonly data?: BlockDevice;
  readonly map?: BlockDevice;
  readonly quotaBytes?: number | undefined;
  readonly workers?: number;
  readonly onFull?: (reason: string) => void;
  readonly now?: () => number;
}

export interface OpenedOverlay {
  readonly state: SharedArrayBuffer;
  readonly device: BlockDevice;
  readonly data: BlockDevice;
  readonly map: BlockDevice;
}

/** A device whose close leaves what is below it open: volumes outlive the handles on them. */
export function handle(device: BlockDevice): BlockDevice {
  const slice = new SliceDevice(device, 0, device.geometry.size);
  slice.close = async () => {};
  return slice;
}

/** The data volume and the formatted map volume of a fresh overlay. */
export async function overlayVolumes(
  size: number,
  minimumIo = 1,
): Promise<{ data: MemoryDevice; map: MemoryDevice }> {
  const data = new MemoryDevice({ size, minimumIo });
  const map = new MemoryDevice({ size: overlayMapBytes(size), minimumIo });
  await formatOverlay(map, { size, bootId: 'boot-1' });
  return { data, map };
}

/** Recovers and opens for worker 0, on fresh volumes where none are given (a map is formatted). */
export async function openFresh(setup: OverlaySetup): Promise<OpenedOverlay> {
  const fresh = await overlayVolumes(setup.base.geometry.size);
  return reopen(
    { ...setup, data: setup.data ?? fresh.data, map: setup.map ?? fresh.map },
    'boot-1',
  );
}

/** Recovers and opens again, in the given boot of the host. */
export async function reopen(
  setup: OverlaySetup & { readonly data: BlockDevice; readonly map: BlockDevice },
  bootId: string,
): Promise<OpenedOverlay> {
  const { base, data, map } = setup;
  const size = base.geometry.size;
  const workers = setup.workers ?? 1;
  const quotaBytes = setup.quotaBytes;
  const state = await recoverOverlay({ map, size, bootId, quotaBytes, workers });
  const device = openOverlay({
    state,
    base: notClosing(base),
    data: handle(data),
    map: handle(map),
    worker: 0,
    onFull: setup.onFull ?? (() => {}),
    ...(setup.now === undefined ? {} : { now: setup.now }),
  });
  return { state, device, data, map };
}

function notClosing(device: ReadableBlockDevice): ReadableBlockDevice {
  return {
    geometry: device.geometry,
    capabilities: device.capabilities,
    read: (target, offset) => device.read(target, offset),
    lend: (offset, length) => device.lend(offset, length),
    cache: (offset, length) => device.cache(offset, length),
    extents: (offset, length, limit) => device.extents(offset, length, limit),
    close: async () => {},
  };
}
