import { afterEach, expect, test } from 'vitest';
import { PLAIN } from '../../../src/block/index.ts';
import type { Adapter } from '../../../src/repositories/index.ts';
import { MemoryArray } from '../../support/memory-array.ts';
import { VolumeRig } from '../../support/volume-rig.ts';

const SIZE = 4 * 1024 * 1024;
const PLACES = 50;

let rig: VolumeRig | undefined;
afterEach(() => rig?.close());

/** @returns the adapter, and what it was asked to open */
function counting(adapter: Adapter): { readonly adapter: Adapter; readonly opened: string[] } {
  const opened: string[] = [];
  const openData: Adapter['openData'] = (...rest) => {
    const data = adapter.openData(...rest);
    return {
      open: (locator, options) => {
        opened.push(locator.volume);
        return data.open(locator, options);
      },
    };
  };
  return { adapter: { ...adapter, openData }, opened };
}

test('whoever asks for a difference page after page has every map read once, and misses nothing', async () => {
  const { adapter, opened } = counting(new MemoryArray().adapter);
  rig = await VolumeRig.open({ arrays: { one: { adapter } } });
  const { storage } = rig.storage;
  await rig.createVolume('one', 'v', SIZE);
  for (const round of [0, 1, 2]) {
    await rig.snapshot({ v: `s${round}` });
    await rig.withExport('volume/one/v', async (device) => {
      for (let place = 0; place < PLACES; place += 1) {
        await device.write(Buffer.alloc(4096, round + 1), (place * 5 + round) * 4096, PLAIN);
      }
    });
  }
  await rig.snapshot({ v: 's3' });
  await rig.idle();
  const [from, to] = [rig.snapshotName('s0'), rig.snapshotName('s3')];
  const page = (offset: number, limit: number) =>
    storage.diff({ from, to, offset, length: SIZE - offset, limit });
  const whole = await page(0, 1000);
  expect(whole).toHaveLength(PLACES);
  opened.length = 0;
  const pages: (typeof whole)[number][] = [];
  for (let offset = 0; ; ) {
    const [next, ...others] = await page(offset, 1);
    expect(others).toEqual([]);
    if (next === undefined) break;
    pages.push(next);
    offset = next.offset + next.length;
  }
  expect(pages).toEqual(whole);
  expect(opened).toEqual([]);
  // Of other snapshots it is another.
  const back = await storage.diff({
    ...{ from: rig.snapshotName('s1'), to, offset: 0, length: SIZE, limit: 1000 },
  });
  expect(opened.length).toBeGreaterThan(0);
  expect(back).toHaveLength(PLACES);
  expect(back[0]).toMatchObject({ offset: 4096, length: 8192 });
});
