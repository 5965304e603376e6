/** What has changed in a volume up to now, told while it is written to. */
import { join } from 'node:path';
import { afterEach, describe, expect, test } from 'vitest';
import { SimulatedWorld, simulatedAdapter } from '../../../src/adapters/simulated/index.ts';
import { type BlockDevice, PLAIN, PLAIN_ZERO } from '../../../src/block/index.ts';
import type { ChangedRange } from '../../../src/control/index.ts';
import type { Adapter } from '../../../src/repositories/index.ts';
import { MemoryArray } from '../../support/memory-array.ts';
import { temporaryFolder } from '../../support/temporary-folder.ts';
import { VolumeRig } from '../../support/volume-rig.ts';

const KIB = 1024;
const SIZE = 1024 * KIB + 4 * KIB;

const rigs: VolumeRig[] = [];
afterEach(async () => {
  for (const one of rigs.splice(0)) await one.close();
});

async function rig(array: { readonly adapter: MemoryArray['adapter'] } = new MemoryArray()) {
  const it = await VolumeRig.open({ arrays: { one: array } });
  rigs.push(it);
  await it.createVolume('one', 'v', SIZE);
  return it;
}

/** An array in memory that can do everything. */
function simulated(): Adapter {
  const adapter = simulatedAdapter(new SimulatedWorld());
  const here = <T extends { readonly settings: object }>(connection: T): T => ({
    ...connection,
    settings: { target: 'one' },
  });
  return {
    ...adapter,
    attach: (connection, ...rest) => adapter.attach(here(connection), ...rest),
    openData: (connection, ...rest) => adapter.openData(here(connection), ...rest),
  };
}

function changes(
  it: VolumeRig,
  from: string,
  range: Partial<Parameters<VolumeRig['storage']['storage']['diff']>[0]> = {},
): Promise<readonly ChangedRange[]> {
  const whole = { offset: 0, length: 64 * SIZE, limit: 1000 };
  return it.storage.storage.diff({
    ...{ from: it.snapshotName(from), to: it.volume('v') },
    ...{ ...whole, ...range },
  });
}

const write = (device: BlockDevice, offset: number, length: number) =>
  Promise.resolve(device.write(Buffer.alloc(length, 7), offset, PLAIN));

const data = (offset: number, length: number) => ({ offset, length, kind: 'data' });
const hole = (offset: number, length: number) => ({ offset, length, kind: 'hole' });

describe('what has changed up to now', () => {
  test('is what was acknowledged, in whatever worker, also when it is not flushed', async () => {
    const it = await rig();
    await it.withExport('volume/one/v', (device) => write(device, 0, SIZE));
    await it.snapshot({ v: 's1' });
    expect(await changes(it, 's1')).toEqual([]);
    const [one, two] = [await it.connect('volume/one/v', 0), await it.connect('volume/one/v', 1)];
    await write(one.device, 8 * KIB, 512);
    expect(await changes(it, 's1')).toEqual([data(8 * KIB, 4 * KIB)]);
    await write(two.device, 512 * KIB, 64 * KIB);
    await one.device.zero(128 * KIB, 64 * KIB, PLAIN_ZERO);
    const told = [data(8 * KIB, 4 * KIB), hole(128 * KIB, 64 * KIB), data(512 * KIB, 64 * KIB)];
    expect(await changes(it, 's1')).toEqual(told);
    await it.snapshot({ v: 's2' });
    expect(await changes(it, 's1')).toEqual(told);
    expect(await changes(it, 's2')).toEqual([]);
    await write(two.device, SIZE - 4 * KIB, 4 * KIB);
    expect(await changes(it, 's1')).toEqual([...told, data(SIZE - 4 * KIB, 4 * KIB)]);
    expect(await changes(it, 's2')).toEqual([data(SIZE - 4 * KIB, 4 * KIB)]);
    await one.close();
    await two.close();
    expect(await changes(it, 's1')).toEqual([...told, data(SIZE - 4 * KIB, 4 * KIB)]);
  });

  test('comes page after page, and within the range that is asked for', async () => {
    const it = await rig();
    await it.snapshot({ v: 's1' });
    const opened = await it.connect('volume/one/v');
    for (let at = 0; at < 40; at++) await write(opened.device, at * 16 * KIB, 4 * KIB);
    const found: ChangedRange[] = [];
    for (let offset = 0; ; ) {
      const [next] = await changes(it, 's1', { offset, length: SIZE - offset, limit: 1 });
      if (next === undefined) break;
      found.push(next);
      offset = next.offset + next.length;
    }
    expect(found).toEqual(Array.from({ length: 40 }, (_, at) => data(at * 16 * KIB, 4 * KIB)));
    const some = await changes(it, 's1', { offset: 17 * KIB, length: 16 * KIB });
    expect(some).toEqual([data(17 * KIB, 3 * KIB), data(32 * KIB, KIB)]);
    await opened.close();
  });

  test('of a disk that grew is all that is new, or only what was written', async () => {
    const it = await rig();
    await it.snapshot({ v: 's1' });
    await it.resize('v', 2 * SIZE);
    await it.withExport('volume/one/v', (device) => write(device, SIZE + 64 * KIB, 4 * KIB));
    const written = data(SIZE + 64 * KIB, 4 * KIB);
    expect(await changes(it, 's1', { grown: 'as-written' })).toEqual([written]);
    const told = await changes(it, 's1');
    expect(told.reduce((sum, { length }) => sum + length, 0)).toBe(SIZE);
    expect(told).toContainEqual(written);
    await it.snapshot({ v: 's2' });
    const to = it.snapshotName('s2');
    expect(await changes(it, 's1', { to, grown: 'as-written' })).toEqual([written]);
  });

  test('survives the death of the process', async () => {
    const folder = await temporaryFolder('diff-to-volume');
    const path = join(folder.path, 'catalog');
    const array = new MemoryArray();
    const start = (bootId: string) =>
      VolumeRig.open({ path, bootId, arrays: { one: array } }).then((it) => {
        rigs.push(it);
        return it;
      });
    const before = await start('boot-1');
    await before.createVolume('one', 'v', SIZE);
    await before.snapshot({ v: 's1' });
    const opened = await before.connect('volume/one/v');
    await write(opened.device, 64 * KIB, 4 * KIB);
    await opened.device.flush();
    await write(opened.device, 128 * KIB, 4 * KIB);
    array.kill();
    before.catalog.close();
    rigs.pop();
    const after = await start('boot-1');
    const [flushed, unflushed] = [data(64 * KIB, 4 * KIB), data(128 * KIB, 4 * KIB)];
    expect(await changes(after, 's1')).toEqual([flushed, unflushed]);
    after.catalog.close();
    array.kill();
    rigs.pop();
    // Of the host: what was not flushed is as if it had not been written.
    expect(await changes(await start('boot-2'), 's1')).toEqual([flushed]);
    await rigs.pop()?.close();
    await folder.remove();
  });

  test('is refused by name where the array tells it up to snapshots only', async () => {
    const it = await rig(new MemoryArray({ isNative: true }));
    await it.snapshot({ v: 's1' });
    await expect(changes(it, 's1')).rejects.toMatchObject({ code: 'UNSUPPORTED' });
  });

  test('is asked of an array that tells it', async () => {
    const it = await rig({ adapter: simulated() });
    await it.snapshot({ v: 's1' });
    const opened = await it.connect('volume/one/v');
    await write(opened.device, 64 * KIB, 4 * KIB);
    await opened.device.flush();
    const told = await changes(it, 's1');
    expect(told[0]?.offset).toBe(64 * KIB);
    expect(await changes(it, 's1', { offset: 128 * KIB, length: SIZE })).toEqual([]);
    await opened.close();
  });
});
