/** A device that becomes larger, or smaller, while it is attached and its volumes are open. */
import { describe, expect, it, vi } from 'vitest';
import { type BlockDevice, PLAIN, PLAIN_ZERO } from '../../../../src/block/index.ts';
import {
  type CarvedControl,
  fsckCarved,
  type VolumeData,
} from '../../../../src/repositories/index.ts';
import {
  attachForTest,
  codeOf,
  errnoOf,
  KIB,
  MIB,
  makeVolume,
  workerOf,
} from '../../../support/carved.ts';
import { type Handle, ResizableDisk } from '../../../support/resizable-device.ts';
import { seededRandom } from '../../../support/seed.ts';
import { until } from '../../../support/until.ts';
import { VolatileDevice, VolatileDisk } from '../../../support/volatile-device.ts';

const EXTENT = 64 * KIB;
const SIZE = 8 * MIB;

async function fill(device: BlockDevice, value: number, from = 0): Promise<void> {
  for (let at = from; at < device.geometry.size; at += MIB) {
    const length = Math.min(MIB, device.geometry.size - at);
    await device.write(Buffer.alloc(length, value), at, PLAIN);
  }
}

async function holds(device: BlockDevice, value: number, size: number): Promise<boolean> {
  const [piece, expected] = [Buffer.alloc(MIB), Buffer.alloc(MIB, value)];
  for (let at = 0; at < size; at += MIB) {
    const part = piece.subarray(0, Math.min(MIB, size - at));
    await device.read(part, at);
    if (!part.equals(expected.subarray(0, part.length))) return false;
  }
  return true;
}

async function codeOfGrowth(control: CarvedControl): Promise<string> {
  return await control.refresh().then(
    () => 'grown',
    (error) => error.code,
  );
}

let rigs = 0;

class Rig {
  readonly repositoryId = `growing-${rigs++}`;
  readonly disk = new ResizableDisk(SIZE, 40 * SIZE);
  /** Of the control thread. */
  readonly handle: Handle;
  /** Of the workers, in the order in which they were opened. */
  readonly others: Handle[] = [];
  failing: (operation: string, offset: number) => boolean = () => false;

  constructor() {
    this.handle = this.#open();
  }

  #open(): Handle {
    return this.disk.open(({ operation, offset }) =>
      this.failing(operation, offset) ? { errno: 'EIO' } : undefined,
    );
  }

  attach(more: Partial<Parameters<typeof attachForTest>[0]> = {}): Promise<CarvedControl> {
    return attachForTest({
      ...{ device: this.handle, repositoryId: this.repositoryId, create: true, overcommit: 100 },
      ...more,
    });
  }

  worker(control: CarvedControl): VolumeData {
    return workerOf(control, () => {
      const handle = this.disk.open();
      this.others.push(handle);
      return handle;
    });
  }

  async again(): Promise<CarvedControl> {
    return await attachForTest({ device: this.#open(), repositoryId: this.repositoryId });
  }
}

describe('a device that grows while it is attached', () => {
  it('has more room at once, for volumes that are open too, and everything is where it was', async () => {
    const rig = new Rig();
    const control = await rig.attach();
    const small = await makeVolume(control, control.info.limits.sizeMaximum, { tag: 'small' });
    const other = await makeVolume(control, control.info.limits.sizeMaximum, { tag: 'other' });
    const worker = rig.worker(control);
    const full = await worker.open(small.locator, { write: true });
    const thin = await worker.open(other.locator, { write: true });
    await fill(full, 1);
    expect(await errnoOf(() => thin.write(Buffer.alloc(4096), 0, PLAIN))).toBe('ENOSPC');
    const { total } = await control.space();
    rig.disk.size = 2 * SIZE;
    expect(await control.space()).toMatchObject({ total, free: 0 });
    await control.refresh();
    const space = await control.space();
    expect(space.total).toBeGreaterThan(total + SIZE - MIB);
    expect(space.free).toBeGreaterThan(SIZE - MIB);
    expect(control.deviceSize).toBe(2 * SIZE);
    // Open since before, and not told of anything.
    await fill(thin, 2);
    expect(rig.others).toHaveLength(1);
    expect(await holds(full, 1, small.size)).toBe(true);
    const larger = control.info.limits.sizeMaximum;
    expect(larger).toBeGreaterThan(small.size + SIZE - MIB);
    await control.resizeVolume({ opId: 'r', ref: small.ref, size: larger });
    const again = await worker.open(small.locator, { write: true });
    expect(again.geometry.size).toBe(larger);
    expect(await holds(again, 1, small.size)).toBe(true);
    await Promise.all([full, thin, again].map((device) => device.close()));
    await control.close();
    const after = await rig.again();
    expect((await after.space()).total).toBe(space.total);
    await after.close();
  });

  it('again and again, with the metadata moving: all of it is used, and nothing is used twice', async () => {
    const rig = new Rig();
    const control = await rig.attach();
    const worker = rig.worker(control);
    const starts = new Set<number>();
    const opened: BlockDevice[] = [];
    for (const times of [2, 3, 1, 2]) {
      rig.disk.size *= times;
      await control.refresh();
      const free = Math.floor((await control.space()).free / EXTENT);
      const half = Math.max(1, Math.floor(free / (times === 1 ? 3 : 2)));
      for (const thin of [true, false]) {
        const size = Math.floor(half / 2) * EXTENT;
        const volume = await makeVolume(control, size, { thin });
        const device = await worker.open(volume.locator, { write: true });
        opened.push(device);
        await fill(device, opened.length);
      }
      for (const [index, device] of opened.entries()) {
        expect(await holds(device, index + 1, device.geometry.size)).toBe(true);
      }
      starts.add((await control.space()).total);
    }
    const last = await makeVolume(control, (await control.space()).free, { thin: false });
    expect(last.allocated).toBe(last.size);
    expect((await control.space()).free).toBe(0);
    for (const [index, device] of opened.entries()) {
      expect(await holds(device, index + 1, device.geometry.size)).toBe(true);
      await device.close();
    }
    expect(starts.size).toBe(3);
    await control.close();
    const report = await fsckCarved(rig.disk.open());
    expect(report.findings).toEqual([]);
    expect(report.extents.mapped * EXTENT).toBeGreaterThan(0.8 * rig.disk.size);
  });

  it('is noticed by itself', async () => {
    const rig = new Rig();
    const timing = { ownerCheckMs: 60_000, takeOverWaitMs: 0, sizeCheckMs: 1 };
    const control = await rig.attach({ timing });
    rig.disk.size = 2 * SIZE;
    await until('the room is there', async () => control.deviceSize === 2 * SIZE);
    await control.close();
  });

  it('is not used by a thread whose own way to it does not know yet: it waits, in order', async () => {
    const rig = new Rig();
    const control = await rig.attach();
    const filler = await makeVolume(control, control.info.limits.sizeMaximum);
    const volume = await makeVolume(control, MIB);
    const [one, two] = [rig.worker(control), rig.worker(control)];
    const device = await one.open(volume.locator, { write: true });
    const full = await two.open(filler.locator, { write: true });
    await fill(full, 9);
    const [late] = rig.others;
    if (late === undefined) throw new Error('no handle');
    late.news = false;
    rig.disk.size = 2 * SIZE;
    await control.refresh();
    const order: number[] = [];
    const writes = [1, 2, 3].map(async (value) => {
      await device.write(Buffer.alloc(4096, value), 0, PLAIN);
      order.push(value);
    });
    await until('it has asked', () => late.measured > 1);
    // Another thread, whose way knows, is not held up; nor is anything else of this one.
    const same = await two.open(volume.locator, { write: true });
    await same.write(Buffer.alloc(4096, 7), 8192, PLAIN);
    await device.read(Buffer.alloc(4096), MIB - 4096);
    expect(order).toEqual([]);
    const reading = device.read(Buffer.alloc(4096), 8192);
    late.news = true;
    await Promise.all([...writes, reading]);
    expect(order).toEqual([1, 2, 3]);
    const target = Buffer.alloc(4096);
    await same.read(target, 0);
    expect(target).toEqual(Buffer.alloc(4096, 3));
    await device.zero(8192, 4096, PLAIN_ZERO);
    await Promise.all([device, full, same].map((opened) => opened.close()));
    await control.close();
  });

  it('is used as it was, by a server that has lost it to another one', async () => {
    const rig = new Rig();
    const control = await rig.attach();
    // As another process would, which has attached nothing yet.
    vi.resetModules();
    const other: typeof import('../../../support/carved.ts') = await import(
      '../../../support/carved.ts'
    );
    const taker = await other.attachForTest({
      ...{ device: rig.disk.open(), repositoryId: rig.repositoryId },
      ...{ owner: 'iqn.2026-01.dev.rootcast:two', takeOver: true },
    });
    const changes: string[] = [];
    rig.failing = (operation) => {
      if (operation !== 'read') changes.push(operation);
      return false;
    };
    rig.disk.size = 5 * SIZE; // so much that its metadata would move
    expect(await codeOf(control.refresh())).toBe('FENCED');
    expect(changes).toEqual([]);
    await control.close();
    await taker.refresh();
    expect(taker.deviceSize).toBe(5 * SIZE);
    await makeVolume(taker, 4 * SIZE, { thin: false });
    await taker.close();
    expect((await fsckCarved(rig.disk.open())).findings).toEqual([]);
  });

  it.each([
    ['a new superblock is all', 1.01],
    ['its metadata moves', 5],
  ])('can fail to be written, and is then: %s', async (_, times) => {
    for (let failing = 0; failing < 12; failing++) {
      const rig = new Rig();
      const control = await rig.attach();
      const volume = await makeVolume(control, MIB, { tag: 't' });
      const device = await rig.worker(control).open(volume.locator, { write: true });
      await fill(device, 3);
      rig.disk.size = Math.floor((SIZE * times) / 4096) * 4096;
      let requests = 0;
      rig.failing = (operation) => {
        if (operation === 'read') return false;
        requests += 1;
        return requests > failing; // from then on every one
      };
      const outcome = await codeOfGrowth(control);
      const done = outcome === 'grown';
      rig.failing = () => false;
      if (!done) {
        expect(outcome).toBe('UNREACHABLE');
        expect(await holds(device, 3, MIB)).toBe(true);
        await device.write(Buffer.alloc(4096, 3), 0, PLAIN); // reads and writes go on
        if (failing % 2 === 0) await makeVolume(control, MIB, { tag: 'u' }); // settled by the next commit
        await control.refresh();
      }
      expect(control.deviceSize).toBe(rig.disk.size);
      const free = (await control.space()).free;
      await makeVolume(control, free - (free % EXTENT) - 2 * EXTENT, { thin: false });
      expect(await holds(device, 3, MIB)).toBe(true);
      await device.close();
      await control.close();
      expect((await fsckCarved(rig.disk.open())).findings).toEqual([]);
      if (done) return;
    }
    throw new Error('it never went well');
  });
});

describe('a death in the middle of growing', () => {
  it.each([
    ['the process', 1.01, false],
    ['the host', 1.01, true],
    ['the process, as its metadata moves', 5, false],
    ['the host, as its metadata moves', 5, true],
  ])('of %s', async (_, times, host) => {
    const random = seededRandom();
    for (let changes = 0; changes < 40; changes++) {
      const repositoryId = `dying-${rigs++}`;
      const disk = new VolatileDisk(SIZE, 5 * SIZE);
      const device = new VolatileDevice(disk, random);
      const control = await attachForTest({ device, repositoryId, create: true });
      const volume = await makeVolume(control, 2 * MIB, { tag: 't' });
      const open = () => new VolatileDevice(disk, random);
      const opened = await workerOf(control, open).open(volume.locator, { write: true });
      await fill(opened, 5);
      await opened.flush();
      const { total } = await control.space();
      disk.size = Math.floor((SIZE * times) / 4096) * 4096;
      device.killAfter(changes);
      const outcome = await codeOfGrowth(control);
      const died = device.isDead;
      device.kill();
      await control.close();
      if (host) disk.powerLoss(random, random());
      const report = await fsckCarved(open());
      expect(report.findings.filter(({ severity }) => severity === 'fatal')).toEqual([]);
      // Without being told of any growth, as a program that knew nothing of it would find it.
      const before = disk.size;
      const again = await attachForTest({ device: open(), repositoryId });
      expect((await again.space()).total).toBeGreaterThan(total);
      const found = await again.findVolume({ tag: 't' });
      if (found === undefined) throw new Error('the volume is gone');
      const reader = await workerOf(again, open).open(found.locator, { write: true });
      expect(await holds(reader, 5, 2 * MIB)).toBe(true);
      await makeVolume(again, 3 * MIB, { thin: false });
      expect(await holds(reader, 5, 2 * MIB)).toBe(true);
      await reader.close();
      await again.close();
      expect((await fsckCarved(open())).findings).toEqual([]);
      expect(disk.size).toBe(before);
      if (!died) {
        expect(outcome).toBe('grown');
        expect(changes).toBeGreaterThan(3);
        return;
      }
    }
    throw new Error('it always died');
  });
});

describe('a device that becomes smaller', () => {
  it('is an alarm: nothing new is put beyond its end, and it says itself what it has not', async () => {
    const rig = new Rig();
    rig.disk.size = 2 * SIZE;
    const control = await attachForTest({
      ...{ device: rig.disk.open(), repositoryId: rig.repositoryId, create: true, overcommit: 100 },
    });
    await control.close();
    rig.disk.size = 2 * SIZE;
    const handle = rig.disk.open();
    const attached = await attachForTest({ device: handle, repositoryId: rig.repositoryId });
    const worker = rig.worker(attached);
    const before = (await attached.space()).total;
    const thick = await makeVolume(attached, SIZE + 2 * MIB, { thin: false });
    const thin = await makeVolume(attached, 3 * MIB);
    const [large, device] = [
      await worker.open(thick.locator, { write: true }),
      await worker.open(thin.locator, { write: true }),
    ];
    await fill(large, 4);
    const [other] = rig.others;
    if (other === undefined) throw new Error('no handle');
    rig.disk.size = SIZE;
    await other.measure();
    await attached.refresh();
    const health = await attached.health();
    expect(health).toMatchObject({ state: 'failed' });
    expect(health.messages[0]).toMatch(`the device has ${SIZE} bytes, it had ${2 * SIZE}`);
    expect(attached.deviceSize).toBe(SIZE);
    const space = await attached.space();
    expect(space.total).toBeLessThan(SIZE);
    expect(space.free).toBeLessThan(3 * MIB);
    // What is there is read, what is not is refused by the device, and new space is not taken there.
    expect(await holds(large, 4, MIB)).toBe(true);
    expect(await errnoOf(() => large.write(Buffer.alloc(4096), SIZE, PLAIN))).toBe('ENOSPC');
    expect(await errnoOf(() => large.read(Buffer.alloc(4096), SIZE))).not.toBe('settled');
    expect(await errnoOf(() => fill(device, 6))).toBe('ENOSPC');
    expect((await attached.space()).free).toBe(0);
    // One that has not had it open before does not wait for what will not come either.
    const fresh = await rig.worker(attached).open(thick.locator, { write: true });
    expect(await errnoOf(() => fresh.write(Buffer.alloc(4096), SIZE, PLAIN))).toBe('ENOSPC');
    expect(await codeOf(makeVolume(attached, MIB, { thin: false }))).toBe('NO_SPACE');
    rig.disk.size = 2 * SIZE;
    await other.measure();
    await attached.refresh();
    expect(await attached.health()).toMatchObject({ state: 'good' });
    expect((await attached.space()).total).toBe(before);
    await fill(device, 6);
    expect(await holds(device, 6, 3 * MIB)).toBe(true);
    expect(await holds(large, 4, thick.size)).toBe(true);
    await Promise.all([large, device, fresh].map((opened) => opened.close()));
    await attached.close();
    rig.disk.size = SIZE;
    const small = attachForTest({ device: rig.disk.open(), repositoryId: rig.repositoryId });
    expect(await codeOf(small)).toBe('FROZEN');
  });
});
