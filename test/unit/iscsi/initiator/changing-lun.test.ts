/** A LUN whose size, or identity, changes while it is open. */
import { describe, expect, it } from 'vitest';
import { PLAIN } from '../../../../src/block/index.ts';
import type { IscsiDevice } from '../../../../src/iscsi/index.ts';
import { until } from '../../../support/until.ts';
import { benchOfTargets, ManualTime, SIZE } from './bench.ts';

const bench = benchOfTargets();
const ATTENTION = (asc: number) => ({ status: 2, sense: (6 << 16) | asc });
const block = (fill: number) => Buffer.alloc(512, fill);

async function reads(device: IscsiDevice, offset = 0): Promise<number | undefined> {
  const target = Buffer.alloc(512);
  await device.read(target, offset);
  return target[0];
}

describe('a LUN that changes', () => {
  it('tells its new size', async () => {
    const target = await bench.target();
    const sizes: number[] = [];
    const device = await bench.open([target], { onResize: (size) => sizes.push(size) });
    target.disk.grow(SIZE * 2);
    target.disk.pending.push(ATTENTION(0x2a09));
    expect(await reads(device)).toBe(0);
    expect(sizes).toEqual([SIZE * 2]);
  });

  it('is as large as it is when it is asked, where the target says nothing; commands go on meanwhile', async () => {
    const target = await bench.target();
    const sizes: number[] = [];
    const device = await bench.open([target], { onResize: (size) => sizes.push(size) });
    target.disk.grow(SIZE * 2);
    expect(device.currentSize).toBe(SIZE);
    const [size] = await Promise.all([device.measure(), reads(device)]);
    expect([size, device.currentSize, ...sizes]).toEqual([SIZE * 2, SIZE * 2, SIZE * 2]);
    await device.write(block(3), SIZE * 2 - 512, PLAIN);
    expect(target.disk.content[SIZE * 2 - 1]).toBe(3);
    expect(device.geometry.size).toBe(SIZE);
  });

  it('is larger only when every path knows of it', async () => {
    const [first, second] = [await bench.target(), await bench.target()];
    const sizes: number[] = [];
    const time = new ManualTime();
    const device = await bench.open(
      [first, second],
      { onResize: (size) => sizes.push(size) },
      time,
    );
    await until('both are up', () => device.paths.every(({ up }) => up));
    first.disk.grow(SIZE * 2);
    first.disk.pending.push(ATTENTION(0x2a09));
    expect(await reads(device)).toBe(0);
    expect(await device.measure()).toBe(SIZE);
    await time.pass(5_000);
    expect(sizes).toEqual([]);
    expect(device.paths.map(({ up }) => up)).toEqual([true, true]);
    second.disk.grow(SIZE * 2);
    await time.pass(1_500);
    await until('both have said so', () => sizes.length > 0);
    expect(sizes).toEqual([SIZE * 2]);
  });

  it('is not used by a path that comes back with less than there was, until that has caught up', async () => {
    const [first, second] = [await bench.target(), await bench.target()];
    const device = await bench.open([first, second]);
    await until('both are up', () => device.paths.every(({ up }) => up));
    for (const { disk } of [first, second]) disk.grow(SIZE * 2);
    expect(await device.measure()).toBe(SIZE * 2);
    const content = first.disk.content;
    first.disk.content = content.subarray(0, SIZE);
    first.cut();
    await until('it is known to be behind', () => device.paths[0]?.state === 'smaller');
    expect(device.paths[0]?.reason).toMatch(/fewer than before/);
    await device.write(block(4), SIZE * 2 - 512, PLAIN);
    expect(second.disk.content[SIZE * 2 - 1]).toBe(4);
    first.disk.content = content;
    await until('it has caught up', () => device.paths[0]?.active === true);
    expect(device.currentSize).toBe(SIZE * 2);
  });

  it('has become smaller when all paths go on saying so; what lies beyond is refused by the target', async () => {
    const [first, second] = [await bench.target(), await bench.target()];
    const sizes: number[] = [];
    const time = new ManualTime();
    const device = await bench.open(
      [first, second],
      { onResize: (size) => sizes.push(size) },
      time,
    );
    await until('both are up', () => device.paths.every(({ up }) => up));
    for (const { disk } of [first, second]) disk.content = disk.content.subarray(0, SIZE / 2);
    await device.measure().catch(() => undefined);
    const reading = reads(device);
    await time.pass(5_000);
    expect(sizes).toEqual([]);
    await time.pass(10_000);
    expect(await reading).toBe(0);
    expect(sizes).toEqual([SIZE / 2]);
    expect(device.currentSize).toBe(SIZE / 2);
    const beyond = async () => device.write(block(1), SIZE - 512, PLAIN);
    await expect(beyond).rejects.toMatchObject({ errno: 'ENOSPC' });
  });

  it('tells it by itself, when the target does', async () => {
    const target = await bench.target();
    const sizes: number[] = [];
    await bench.open([target], { onResize: (size) => sizes.push(size) });
    target.disk.grow(SIZE * 2);
    for (const connection of target.connections) {
      const sense = Buffer.from([
        0, 18, 0x70, 0, 6, 0, 0, 0, 0, 10, 0, 0, 0, 0, 0x2a, 0x09, 0, 0, 0, 0,
      ]);
      const [lun, none] = [
        { high: 0x10000, low: 0 },
        { parameter1: 0, parameter2: 0, parameter3: 0 },
      ];
      const numbers = connection.numbers(0xffffffff, sense.length);
      connection.send(
        { kind: 'async-message', lun, event: 0, vcode: 0, ...none, ...numbers },
        sense,
      );
    }
    await until('the size is known', () => sizes.length > 0);
    expect(sizes).toEqual([SIZE * 2]);
  });

  it('into another disk gets nothing more from us', async () => {
    const target = await bench.target();
    const device = await bench.open([target]);
    target.disk.options = { ...target.disk.options, wwid: '600140500000000000000000000000bb' };
    target.disk.pending.push(ATTENTION(0x3f0e));
    await expect(async () => device.write(block(9), 0, PLAIN)).rejects.toMatchObject({
      errno: 'ESTALE',
    });
    await expect(async () => device.write(block(9), 0, PLAIN)).rejects.toMatchObject({
      errno: 'ESTALE',
    });
    expect(target.disk.content[0]).toBe(0);
  });

  it('without a WWID is known by its serial number, and without either not at all', async () => {
    const target = await bench.target({}, { wwid: '', serial: 'abc' });
    const device = await bench.open([target], { expectWwid: 'SROOTCAST_TEST_DISK_abc' });
    target.disk.options = { ...target.disk.options, serial: 'def' };
    target.disk.pending.push(ATTENTION(0x2900));
    await expect(device.read(block(0), 0)).rejects.toMatchObject({ errno: 'ESTALE' });
    const nameless = await bench.target({}, { wwid: '', serial: '' });
    await expect(bench.open([nameless])).rejects.toMatchObject({ errno: 'ESTALE' });
  });
});
