import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { LocalVolumeControl, LocalVolumeData } from '../../../src/adapters/local/index.ts';
import { PLAIN, ZeroDevice } from '../../../src/block/index.ts';
import type { VolumeLocator } from '../../../src/repositories/index.ts';
import { RecoveryThreads, recoverMap } from '../../../src/service/recovery/index.ts';
import {
  formatOverlay,
  openOverlay,
  overlayMapBytes,
  readOverlayGauges,
} from '../../../src/vdisk/index.ts';
import { temporaryFolder } from '../../support/temporary-folder.ts';

const SIZE = 2 ** 20;
const BLOCK = 4096;
const opening = { size: SIZE, bootId: 'boot', quotaBytes: undefined, workers: 1 };
const log = { warn: () => undefined };

describe('recovery threads', () => {
  let folder: Awaited<ReturnType<typeof temporaryFolder>>;
  let volumes: LocalVolumeControl;
  const data = new LocalVolumeData({ log });

  beforeEach(async () => {
    folder = await temporaryFolder('recovery');
    volumes = await LocalVolumeControl.attach(folder.path);
  });

  afterEach(() => folder.remove());

  /** The map of an overlay that owns so many blocks. */
  const mapOf = async (name: string, blocks: number): Promise<VolumeLocator> => {
    const map = await volumes.createVolume({ id: `${name}.map`, size: overlayMapBytes(SIZE) });
    const own = await volumes.createVolume({ id: `${name}.data`, size: SIZE });
    const device = await data.open(map.locator, { write: true });
    await formatOverlay(device, opening);
    const overlay = openOverlay({
      state: await recoverMap(data, map.locator, opening),
      base: new ZeroDevice(SIZE),
      data: await data.open(own.locator, { write: true }),
      map: device,
      worker: 0,
      onFull: () => undefined,
    });
    for (let block = 0; block < blocks; block += 1)
      await overlay.write(Buffer.alloc(BLOCK, 1), block * BLOCK, PLAIN);
    await overlay.close();
    return map.locator;
  };

  const threads = (): RecoveryThreads =>
    new RecoveryThreads(
      'silent',
      (error) => {
        throw error;
      },
      2,
    );

  test('open maps as this thread does, many at once, and are gone afterwards', async () => {
    const maps = await Promise.all(
      Array.from({ length: 12 }, (_, index) => mapOf(`m${index}`, index)),
    );
    const recovery = threads();
    const states = await recovery.during(() =>
      Promise.all(maps.map((map) => recovery.recover(data, map, opening))),
    );
    expect(states.map((state) => readOverlayGauges(state).ownedBytes / BLOCK)).toEqual(
      maps.map((_, index) => index),
    );
    const [first] = maps;
    if (first === undefined) throw new Error('there is no map');
    const here = await recovery.recover(data, first, opening);
    expect(readOverlayGauges(here).ownedBytes).toBe(0);
  });

  test('tell what is wrong with a map, and go on', async () => {
    const good = await mapOf('good', 3);
    const bad = await volumes.createVolume({ id: 'bad.map', size: overlayMapBytes(SIZE) });
    const recovery = threads();
    await recovery.during(async () => {
      const refused = recovery.recover(data, bad.locator, opening);
      await expect(refused).rejects.toMatchObject({
        errno: 'EINVAL',
        message: expect.stringContaining('not an overlay map'),
      });
      const state = await recovery.recover(data, good, opening);
      expect(readOverlayGauges(state).ownedBytes).toBe(3 * BLOCK);
    });
  });

  test('that die tell of it once each; what they had to open fails, and this thread goes on', async () => {
    const map = await mapOf('m', 5);
    const told: Error[] = [];
    const recovery = new RecoveryThreads('no such level', (error) => told.push(error), 2);
    await recovery.during(async () => {
      const both = [0, 1].map(() => recovery.recover(data, map, opening));
      for (const one of await Promise.allSettled(both)) {
        expect(one).toMatchObject({ status: 'rejected', reason: { name: 'BlockError' } });
      }
      expect(told).toHaveLength(2);
      const state = await recovery.recover(data, map, opening);
      expect(readOverlayGauges(state).ownedBytes).toBe(5 * BLOCK);
    });
    expect(told).toHaveLength(2);
  });

  test('leave other repositories to this thread, which is connected to them', async () => {
    const map = await mapOf('m', 2);
    const recovery = threads();
    const opened: unknown[] = [];
    const elsewhere = { ...map, repository: 'array' };
    await recovery.during(async () => {
      const connected = {
        open: (locator: VolumeLocator, options: { readonly write: boolean }) => {
          opened.push(locator.repository);
          return data.open(map, options);
        },
      };
      const state = await recovery.recover(connected, elsewhere, opening);
      expect(readOverlayGauges(state).ownedBytes).toBe(2 * BLOCK);
    });
    expect(opened).toEqual(['array']);
  });
});
