/** The device fails under the metadata: what was acknowledged stays true, and nothing is written in doubt. */
import { describe, expect, it } from 'vitest';
import {
  FaultyDevice,
  type FaultyRequest,
  type MemoryDevice,
  PLAIN,
  PLAIN_ZERO,
} from '../../../../src/block/index.ts';
import type { CarvedControl } from '../../../../src/repositories/index.ts';
import {
  attachForTest,
  codeOf,
  errnoOf,
  handle,
  KIB,
  MIB,
  makeVolume,
  memory,
  workerOf,
} from '../../../support/carved.ts';

const EXTENT = 64 * KIB;

class Rig {
  readonly disk: MemoryDevice = memory(8 * MIB);
  /** Which requests of the control thread fail. */
  failing: (request: FaultyRequest) => boolean = () => false;

  readonly device = new FaultyDevice(handle(this.disk), (request) =>
    this.failing(request) ? { errno: 'EIO' } : undefined,
  );

  attach(create: boolean): Promise<CarvedControl> {
    return attachForTest({ device: handle(this.device), repositoryId: 'failing', create });
  }
}

describe('a device that fails', () => {
  it('stops writes while it is not known what the journal holds, and goes on when it is', async () => {
    const rig = new Rig();
    const control = await rig.attach(true);
    const volume = await makeVolume(control, 20 * EXTENT);
    const worker = workerOf(control, () => handle(rig.disk));
    const opened = await worker.open(volume.locator, { write: true });
    await opened.write(Buffer.alloc(2 * EXTENT, 1), 0, PLAIN);
    rig.failing = ({ operation }) => operation === 'write';
    expect(await errnoOf(() => opened.zero(0, EXTENT, PLAIN_ZERO))).toBe('EIO');
    // After a crash the extent might be freed: a write to it now could be lost although it was acknowledged.
    expect(await errnoOf(() => opened.write(Buffer.alloc(4096, 2), 0, PLAIN))).toBe('EIO');
    const content = Buffer.alloc(4096);
    await opened.read(content, 0);
    expect(content).toEqual(Buffer.alloc(4096, 1));
    expect(await codeOf(makeVolume(control, MIB))).toBe('UNREACHABLE');
    expect(await control.health()).toMatchObject({ state: 'failed' });
    rig.failing = () => false;
    await makeVolume(control, MIB);
    await opened.write(Buffer.alloc(4096, 3), 0, PLAIN);
    await opened.write(Buffer.alloc(4096, 4), 10 * EXTENT, PLAIN);
    expect(await control.health()).toMatchObject({ state: 'good' });
    await opened.close();
    await control.close();
    const again = await rig.attach(false);
    const found = await again.findVolume({ ref: volume.ref });
    if (found === undefined) throw new Error('the volume is gone');
    const reader = await workerOf(again, () => handle(rig.disk)).open(found.locator, {
      write: true,
    });
    for (const [at, value] of [
      [0, 3],
      [EXTENT, 1],
      [10 * EXTENT, 4],
    ] as const) {
      await reader.read(content, at);
      expect(content).toEqual(Buffer.alloc(4096, value));
    }
    await reader.close();
    await again.close();
  });

  it('goes on by itself when the device can be written again', async () => {
    const rig = new Rig();
    const control = await attachForTest({
      device: handle(rig.device),
      repositoryId: 'failing',
      create: true,
      timing: { ownerCheckMs: 1, takeOverWaitMs: 0 },
    });
    const volume = await makeVolume(control, 20 * EXTENT);
    const opened = await workerOf(control, () => handle(rig.disk)).open(volume.locator, {
      write: true,
    });
    await opened.write(Buffer.alloc(2 * EXTENT, 1), 0, PLAIN);
    rig.failing = ({ operation }) => operation === 'write';
    expect(await errnoOf(() => opened.zero(0, EXTENT, PLAIN_ZERO))).toBe('EIO');
    rig.failing = () => false;
    const written = (): Promise<string> =>
      errnoOf(() => opened.write(Buffer.alloc(4096, 2), 0, PLAIN));
    await expect.poll(written).toBe('settled');
    await opened.close();
    await control.close();
  });

  it('fails a first write whose extent cannot be zeroed, and makes it when it can', async () => {
    const rig = new Rig();
    rig.failing = ({ operation }) => operation === 'zero';
    const control = await rig.attach(true);
    const volume = await makeVolume(control, 20 * EXTENT);
    const opened = await workerOf(control, () => handle(rig.disk)).open(volume.locator, {
      write: true,
    });
    expect(await errnoOf(() => opened.write(Buffer.alloc(4096, 2), 0, PLAIN))).toBe('EIO');
    rig.failing = () => false;
    await opened.write(Buffer.alloc(4096, 2), 0, PLAIN);
    const free = (await control.space()).free;
    expect(free).toBe((await control.space()).total - EXTENT);
    await opened.close();
    await control.close();
  });

  it('does not say that a volume is made when it is not on stable storage', async () => {
    const rig = new Rig();
    const control = await rig.attach(true);
    rig.failing = ({ operation }) => operation === 'flush';
    expect(await codeOf(makeVolume(control, MIB, { tag: 't' }))).toBe('UNREACHABLE');
    expect(await codeOf(makeVolume(control, MIB, { tag: 't' }))).toBe('UNREACHABLE');
    rig.failing = () => false;
    const made = await makeVolume(control, MIB, { tag: 't' });
    expect((await control.listVolumes({ ownedOnly: true })).items).toEqual([made]);
    await control.close();
  });

  it('goes on through many generations of the journal, and failing checkpoints', async () => {
    const rig = new Rig();
    const control = await rig.attach(true);
    const volume = await makeVolume(control, 20 * EXTENT);
    const opened = await workerOf(control, () => handle(rig.disk)).open(volume.locator, {
      write: true,
    });
    let requests = 0;
    rig.failing = ({ operation }) => {
      requests += 1;
      return operation !== 'read' && requests % 97 === 0;
    };
    let failed = 0;
    for (let round = 0; round < 300; round++) {
      const at = (round % 20) * EXTENT;
      const value = 1 + (round % 250);
      for (;;) {
        const outcome = await errnoOf(async () => {
          await opened.zero(at, EXTENT, PLAIN_ZERO);
          await opened.write(Buffer.alloc(EXTENT, value), at, PLAIN);
        });
        if (outcome === 'settled') break;
        expect(outcome).toBe('EIO');
        failed += 1;
      }
    }
    expect(failed).toBeGreaterThan(3);
    rig.failing = () => false;
    await opened.close();
    await control.close();
    const again = await rig.attach(false);
    const [found] = (await again.listVolumes({ ownedOnly: true })).items;
    if (found === undefined) throw new Error('the volume is gone');
    const reader = await workerOf(again, () => handle(rig.disk)).open(found.locator, {
      write: true,
    });
    const content = Buffer.alloc(EXTENT);
    for (let round = 280; round < 300; round++) {
      await reader.read(content, (round % 20) * EXTENT);
      expect(content.equals(Buffer.alloc(EXTENT, 1 + (round % 250)))).toBe(true);
    }
    await reader.close();
    await again.close();
  });
});

describe('a device that has grown', () => {
  it('has more room at the next attach, also when its map needs a larger place', async () => {
    let size = 8 * MIB;
    let disk = memory(size);
    let control = await attachForTest({
      device: handle(disk),
      repositoryId: 'grown',
      create: true,
      overcommit: 100,
    });
    const made = await makeVolume(control, MIB, { tag: 't' });
    const first = await workerOf(control, () => handle(disk)).open(made.locator, { write: true });
    await first.write(Buffer.alloc(MIB, 9), 0, PLAIN);
    await first.close();
    await control.close();
    for (const times of [2, 8, 1, 2]) {
      const before = (await (await attach()).space()).total;
      await control.close();
      size *= times;
      const larger = memory(size);
      for (let at = 0; at < disk.geometry.size; at += MIB) {
        const piece = Buffer.alloc(MIB);
        disk.read(piece, at);
        if (piece.some((byte) => byte !== 0)) larger.write(piece, at, PLAIN);
      }
      disk = larger;
      const { total } = await (await attach()).space();
      expect(total / before).toBeGreaterThanOrEqual(times);
      // All of it can be used, and nothing that is used is given out again.
      const tag = `grown-${size}-${times}`;
      const extents = Math.min(500, (await control.space()).free / EXTENT);
      const thick = await makeVolume(control, extents * EXTENT, { tag, thin: false });
      await check();
      await control.deleteVolume({ opId: 'd', ref: thick.ref });
      await control.close();
    }
    async function attach(): Promise<CarvedControl> {
      control = await attachForTest({ device: handle(disk), repositoryId: 'grown' });
      return control;
    }
    async function check(): Promise<void> {
      const found = await control.findVolume({ tag: 't' });
      if (found === undefined) throw new Error('the volume is gone');
      const reader = await workerOf(control, () => handle(disk)).open(found.locator, {
        write: true,
      });
      const content = Buffer.alloc(MIB);
      await reader.read(content, 0);
      expect(content.equals(Buffer.alloc(MIB, 9))).toBe(true);
      await reader.close();
    }
  });
});
