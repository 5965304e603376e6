import { readdir } from 'node:fs/promises';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { LocalVolumeControl, LocalVolumeData } from '../../../src/adapters/local/index.ts';
import { MemoryDevice, PLAIN, ReadCache } from '../../../src/block/index.ts';
import { type ChainPlan, type DiskPlan, stackBuilder } from '../../../src/exports/index.ts';
import {
  buildChainIndex,
  formatOverlay,
  JOURNAL_SEGMENT_LEAST_BYTES,
  lastJournalled,
  overlayMapBytes,
  recoverOverlay,
} from '../../../src/vdisk/index.ts';
import { patternBlock } from '../../support/pattern-image.ts';
import { preparedJournal } from '../../support/prepared-journal.ts';
import { temporaryFolder } from '../../support/temporary-folder.ts';

const SIZE = 2 ** 20;
const BOOT = '00000000-0000-4000-8000-000000000001';

describe('stacks', () => {
  let folder: Awaited<ReturnType<typeof temporaryFolder>>;
  let volumes: LocalVolumeControl;
  let data: LocalVolumeData;
  let chain: ChainPlan;

  beforeEach(async () => {
    folder = await temporaryFolder('stacks');
    volumes = await LocalVolumeControl.attach(folder.path);
    data = new LocalVolumeData({ log: { warn: () => undefined } });
    const { locator } = await volumes.createVolume({ id: 'layer', size: SIZE });
    const device = await data.open(locator, { write: true });
    await device.write(patternBlock(1, 0), 4096, PLAIN);
    await device.close();
    chain = {
      layerId: 'layer',
      size: SIZE,
      index: buildChainIndex({
        size: SIZE,
        base: { size: SIZE, presentChunks: new Uint8Array([1, 0]) },
        differences: [],
      }),
      layers: [{ layerId: 'layer', volume: locator }],
    };
  });

  afterEach(() => folder.remove());

  async function machine(name: string): Promise<DiskPlan> {
    const own = await volumes.createVolume({ id: `${name}.data`, size: SIZE });
    const map = await volumes.createVolume({ id: `${name}.map`, size: overlayMapBytes(SIZE) });
    const device = await data.open(map.locator, { write: true });
    await formatOverlay(device, { size: SIZE, bootId: BOOT });
    const state = await recoverOverlay({
      map: device,
      size: SIZE,
      bootId: BOOT,
      quotaBytes: undefined,
      workers: 1,
    });
    await device.close();
    const overlay = { state, data: own.locator, map: map.locator };
    return { key: name, name: `machine/${name}`, description: '', chain, overlay };
  }

  const builder = () =>
    stackBuilder({
      volumes: data,
      readCache: new ReadCache({ capacityBytes: 2 ** 20 }),
      worker: 0,
      onFull: () => undefined,
    });

  test('machines and the read-only export share one layer; closing one leaves the others theirs', async () => {
    const build = builder();
    const readOnly: DiskPlan = {
      key: 'l',
      name: 'vdisk/v',
      description: '',
      chain,
      overlay: undefined,
    };
    const [a, b, v] = await Promise.all([
      build(await machine('a')),
      build(await machine('b')),
      build(readOnly),
    ]);
    await a.close();
    const got = Buffer.alloc(4096);
    await b.device.read(got, 4096);
    expect(got.equals(patternBlock(1, 0))).toBe(true);
    await b.close();
    got.fill(0);
    await v.device.read(got, 4096);
    expect(got.equals(patternBlock(1, 0))).toBe(true);
    await v.close();
    // And the next one opens the layer again.
    const again = await build(readOnly);
    await again.device.read(got, 8192);
    expect(got.equals(Buffer.alloc(4096))).toBe(true);
    await again.close();
  });

  test('a stack whose volumes are gone is refused and leaves the layer to the others', async () => {
    const build = builder();
    const a = await build(await machine('a'));
    const gone = await machine('gone');
    await volumes.deleteVolume('gone.map');
    await expect(build(gone)).rejects.toMatchObject({ operation: 'open' });
    const got = Buffer.alloc(4096);
    await a.device.read(got, 4096);
    expect(got.equals(patternBlock(1, 0))).toBe(true);
    await a.close();
  });

  test('a stack that does not fit together leaves no file open', async () => {
    const build = builder();
    const openFiles = async () => (await readdir('/proc/self/fd')).length;
    const plan = await machine('odd');
    const small = await volumes.createVolume({ id: 'small', size: 4096 });
    const before = await openFiles();
    const overlay = plan.overlay && { ...plan.overlay, data: small.locator };
    await expect(build({ ...plan, overlay })).rejects.toMatchObject({ errno: 'EINVAL' });
    expect(await openFiles()).toBe(before);
  });

  test('flushes of a write cache at home share the journal; those of one in another repository do not', async () => {
    // What a crash leaves in a journal is put back before any other repository is there.
    const segments = [
      new MemoryDevice({ size: JOURNAL_SEGMENT_LEAST_BYTES }),
      new MemoryDevice({ size: JOURNAL_SEGMENT_LEAST_BYTES }),
    ] as const;
    const journal = await preparedJournal(segments, BOOT, () => undefined);
    const build = stackBuilder({
      volumes: data,
      readCache: new ReadCache({ capacityBytes: 2 ** 20 }),
      ...{ worker: 0, journal, onFull: () => undefined },
    });
    const journalled: number[] = [];
    for (const repository of [undefined, 'elsewhere']) {
      const plan = await machine(`of-${repository ?? 'home'}`);
      const { overlay } = plan;
      if (overlay === undefined) throw new Error('no overlay');
      const place = repository === undefined ? {} : { repository };
      const at = { data: { ...overlay.data, ...place }, map: { ...overlay.map, ...place } };
      const { device, close } = await build({ ...plan, overlay: { ...overlay, ...at } });
      await device.flush(); // the first one knows of nothing that was written before
      await device.write(patternBlock(1, 7), 0, PLAIN);
      await device.flush();
      journalled.push(lastJournalled(overlay.state));
      await close();
    }
    expect(journalled).toEqual([1, 0]);
  });
});
