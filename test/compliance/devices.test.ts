/** Every general-purpose device, the local adapter, layers and chains of them keep the contract. */
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import fc from 'fast-check';
import {
  HolePuncher,
  LocalVolumeControl,
  LocalVolumeData,
} from '../../src/adapters/local/index.ts';
import {
  type BlockDevice,
  CachedDevice,
  CheckedDevice,
  MeteredDevice,
  PLAIN,
  ReadCache,
  ReadOnlyDevice,
  SliceDevice,
  ZeroDevice,
} from '../../src/block/index.ts';
import { CountedDevice } from '../../src/exports/counted-device.ts';
import { createTraffic } from '../../src/exports/index.ts';
import { openLayer } from '../../src/vdisk/index.ts';
import { BuiltChain, diskChanges } from '../support/chains.ts';
import { filledMemory, randomContent, slow } from '../support/content.ts';
import { openFresh, overlayVolumes } from '../support/overlays.ts';
import { SEED } from '../support/seed.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { describeBlockDevice, describeReadable, type Subject } from './block-device.ts';

const SIZE = 1024 * 1024 + 3 * 4096 + 512;

function subject<D>(make: (content: Buffer) => D): () => Promise<{ device: D; content: Buffer }> {
  return async () => {
    const content = randomContent(SIZE);
    return { device: make(content), content };
  };
}

describeBlockDevice(
  'memory device',
  subject((content) => filledMemory(content)),
);
describeBlockDevice(
  'memory device in sectors',
  subject((content) => filledMemory(content, 512)),
);
describeBlockDevice(
  'checked device',
  subject((content) => new CheckedDevice(filledMemory(content))),
);
describeBlockDevice(
  'metered device',
  subject((content) => new MeteredDevice(filledMemory(content))),
);
describeBlockDevice(
  'counted device',
  subject((content) => new CountedDevice(filledMemory(content), createTraffic(1), 0)),
);
describeBlockDevice(
  'slice device',
  subject((content) => {
    const padded = Buffer.concat([Buffer.alloc(8192, 0x77), content, Buffer.alloc(512, 0x77)]);
    return new SliceDevice(filledMemory(padded), 8192, content.length);
  }),
);
describeReadable(
  'read-only device',
  subject((content) => new ReadOnlyDevice(filledMemory(content))),
);
describeBlockDevice(
  'faulty device that only delays',
  subject((content) => new CheckedDevice(slow(filledMemory(content)))),
);
describeReadable('zero device', async () => ({
  device: new ZeroDevice(SIZE),
  content: Buffer.alloc(SIZE),
}));

describeReadable(
  'cached device',
  subject((content) => {
    const cache = new ReadCache({ capacityBytes: 4 * 1024 * 1024 });
    return new CachedDevice(filledMemory(content), cache, 'layer');
  }),
);
describeReadable(
  'cached device of a small cache over something slow',
  subject((content) => {
    const cache = new ReadCache({ capacityBytes: 64 * 1024, blockBytes: 16 * 1024 });
    return new CachedDevice(new CheckedDevice(slow(filledMemory(content))), cache, 'layer');
  }),
);

/** A layer whose absent chunks hold garbage in the volume: they must not show. */
function layer(content: Buffer, wrap: (volume: BlockDevice) => BlockDevice) {
  const chunk = 64 * 1024;
  const presentChunks = new Uint8Array(Math.ceil(content.length / chunk / 8));
  const volume = Buffer.from(content);
  for (let index = 0; index * chunk < content.length; index++) {
    const piece = [index * chunk, Math.min(content.length, (index + 1) * chunk)] as const;
    if (index % 3 === 0) {
      content.fill(0, ...piece);
      volume.fill(0x99, ...piece);
    } else {
      presentChunks[index >> 3]! |= 1 << (index & 7);
    }
  }
  const cache = new ReadCache({ capacityBytes: 512 * 1024 });
  return openLayer({ volume: wrap(filledMemory(volume)), presentChunks, layerId: 'l', cache });
}

describeReadable(
  'layer',
  subject((content) => layer(content, (volume) => volume)),
);
describeReadable(
  'layer on a slow volume',
  subject((content) => layer(content, (volume) => slow(volume))),
);

/** A base that ends anywhere, and five layers above it over which the disk has grown. */
async function chainOfLayers(wrap: (volume: BlockDevice) => BlockDevice) {
  const chain = new BuiltChain(randomContent(SIZE - 70_001));
  for (const size of [SIZE - 70_001, SIZE - 4096, SIZE - 4096, SIZE, SIZE]) {
    await chain.add(
      fc.sample(diskChanges(), { seed: SEED + chain.differences.length, numRuns: 6 }),
      size,
    );
  }
  const cache = new ReadCache({ capacityBytes: 512 * 1024 });
  return { device: chain.open(cache, 5, wrap), content: chain.newest.content };
}

describeReadable('chain of layers', () => chainOfLayers((volume) => volume));
describeReadable('chain of layers on slow volumes', () => chainOfLayers(slow));

interface LocalSetup {
  /** Milliseconds that the clock moves at each look; makes every call seem slow when large. */
  readonly tick: number;
  readonly path?: string;
  readonly punch?: HolePuncher;
}

async function localVolume({ tick, path, punch }: LocalSetup): Promise<Subject<BlockDevice>> {
  const folder = await temporaryFolder('local');
  const control = await LocalVolumeControl.attach(join(folder.path, 'volumes'));
  const content = randomContent(SIZE);
  const { locator } = await control.createVolume({ id: 'v', size: SIZE });
  let now = 0;
  const data = new LocalVolumeData({
    clock: () => (now += tick),
    log: { warn: () => {} },
    ...(path === undefined ? {} : { path }),
    ...(punch === undefined ? {} : { puncher: punch }),
  });
  const device = await data.open(locator, { write: true });
  for (let at = 0; at < SIZE; at += 32 * 1024) {
    const piece = content.subarray(at, at + 32 * 1024);
    if (piece.some((byte) => byte !== 0)) await device.write(piece, at, PLAIN);
  }
  return { device, content, dispose: () => folder.remove() };
}

/** Zeroes the range by writing, so that the suite need not start a program for each hole. */
function instantPuncher(): HolePuncher {
  return new HolePuncher(async (fd, offset, length) => {
    await sleep(0);
    const { writeSync } = await import('node:fs');
    writeSync(fd, Buffer.alloc(length), 0, length, offset);
    return 'punched';
  });
}

describeBlockDevice('local volume, fast disk', () =>
  localVolume({ tick: 0, punch: instantPuncher() }),
);
describeBlockDevice('local volume, slow disk', () =>
  localVolume({ tick: 5, punch: instantPuncher() }),
);
describeBlockDevice('local volume, disk that is slow by turns', () =>
  localVolume({ tick: 0.6, punch: instantPuncher() }),
);
describeBlockDevice('local volume without fallocate', () => localVolume({ tick: 0, path: '' }));
describeBlockDevice('local volume on a file system without holes', () =>
  localVolume({ tick: 0, punch: new HolePuncher(async () => 'unsupported') }),
);

describeBlockDevice('overlay', async () => {
  const content = randomContent(SIZE);
  const { device } = await openFresh({ base: filledMemory(content) });
  return { device, content };
});

describeBlockDevice('overlay of a disk that ends in the middle of a block', async () => {
  const content = randomContent(300 * 1024 + 777);
  const { device } = await openFresh({ base: filledMemory(content) });
  return { device, content };
});

describeBlockDevice('overlay on slow volumes over a layer', async () => {
  const content = randomContent(SIZE);
  const base = layer(content, (volume) => slow(volume));
  const { data, map } = await overlayVolumes(SIZE);
  const { device } = await openFresh({ base, data: slow(data), map: slow(map) });
  return { device, content };
});

describeBlockDevice('overlay on slow volumes over a chain of layers', async () => {
  const { device: base, content } = await chainOfLayers(slow);
  const { device } = await openFresh({ base });
  return { device, content };
});

describeBlockDevice('overlay on volumes in sectors of 512 bytes', async () => {
  const content = randomContent(SIZE);
  const { data, map } = await overlayVolumes(SIZE, 512);
  const { device } = await openFresh({
    base: new CheckedDevice(new ReadOnlyDevice(filledMemory(content, 512))),
    data: new CheckedDevice(data),
    map: new CheckedDevice(map),
  });
  return { device, content };
});
