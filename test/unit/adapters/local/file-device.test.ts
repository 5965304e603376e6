import { execFileSync } from 'node:child_process';
import * as fs from 'node:fs';
import { open, truncate } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { FileDevice, HolePuncher, type Punch } from '../../../../src/adapters/local/index.ts';
import { isPromise } from '../../../../src/base/index.ts';
import { FUA, PLAIN, PLAIN_ZERO } from '../../../../src/block/index.ts';
import { describeWith, program } from '../../../support/requires.ts';
import { temporaryFolder } from '../../../support/temporary-folder.ts';

const SIZE = 8 * 1024 * 1024;
const cleanups: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

interface Setup {
  readonly clock?: () => number;
  readonly punch?: Punch;
  readonly flags?: string;
}

async function fileDevice({ clock, punch, flags }: Setup = {}) {
  const folder = await temporaryFolder('file');
  const path = join(folder.path, 'v');
  const handle = await open(path, 'wx');
  await handle.truncate(SIZE);
  await handle.close();
  const fd = fs.openSync(path, flags ?? 'r+');
  let cannotPunch = 0;
  const device = new FileDevice({
    fd,
    write: true,
    clock: clock ?? (() => 0),
    puncher: new HolePuncher(punch),
    canPunch: true,
    onCannotPunch: () => {
      cannotPunch += 1;
    },
  });
  cleanups.push(
    () => folder.remove(),
    () => device.close(),
  );
  return { device, path, warnings: () => cannotPunch };
}

describe('file device', () => {
  test('answers at once while the disk is fast, and waits when it is not or much is asked', async () => {
    let now = 0;
    let step = 0;
    const { device } = await fileDevice({ clock: () => (now += step) });
    expect(device.write(Buffer.alloc(4096, 1), 0, PLAIN)).toBeUndefined();
    expect(device.read(Buffer.alloc(4096), 0)).toBeUndefined();
    expect(isPromise(device.read(Buffer.alloc(512 * 1024), 0))).toBe(true);
    step = 2;
    expect(device.read(Buffer.alloc(4096), 0)).toBeUndefined(); // once may be chance
    expect(device.read(Buffer.alloc(4096), 0)).toBeUndefined(); // this one showed it
    step = 0;
    const target = Buffer.alloc(4096);
    const read = device.read(target, 0);
    expect(isPromise(read)).toBe(true);
    await read;
    expect(target).toEqual(Buffer.alloc(4096, 1));
  });

  test('a sync write behind an asynchronous one that it overlaps comes after it', async () => {
    const { device } = await fileDevice();
    for (let round = 0; round < 20; round++) {
      const large = device.write(Buffer.alloc(1024 * 1024, 1), 0, PLAIN);
      const inside = device.write(Buffer.alloc(4096, 2), 512 * 1024, PLAIN);
      const beside = device.write(Buffer.alloc(4096, 3), 4 * 1024 * 1024, PLAIN);
      expect(isPromise(large)).toBe(true);
      expect(isPromise(inside)).toBe(true);
      expect(beside).toBeUndefined();
      await Promise.all([large, inside]);
      const target = Buffer.alloc(4096);
      await device.read(target, 512 * 1024);
      expect(target).toEqual(Buffer.alloc(4096, 2));
    }
  });

  test('zeroes without a hole where holes cannot be punched, and says so once', async () => {
    const { device, warnings } = await fileDevice({ punch: async () => 'unsupported' });
    await device.write(Buffer.alloc(2 * 1024 * 1024, 5), 0, PLAIN);
    await expect(device.zero(0, 1024 * 1024, { ...PLAIN_ZERO, fast: true })).rejects.toMatchObject({
      errno: 'ENOTSUP',
    });
    await device.zero(0, 1024 * 1024, PLAIN_ZERO);
    await device.trim(1024 * 1024, 4096, PLAIN);
    expect(warnings()).toBe(1);
    const target = Buffer.alloc(2 * 1024 * 1024);
    await device.read(target, 0);
    expect(target.subarray(0, 1024 * 1024).every((byte) => byte === 0)).toBe(true);
    expect(target.subarray(1024 * 1024).every((byte) => byte === 5)).toBe(true);
  });

  test('starts no program for a file that holds nothing', async () => {
    let punched = 0;
    const { device } = await fileDevice({
      punch: async () => {
        punched += 1;
        return 'punched';
      },
    });
    await device.zero(0, SIZE, PLAIN_ZERO);
    await device.trim(0, SIZE, PLAIN);
    expect(punched).toBe(0);
    expect(device.extents(0, SIZE, 1)).toEqual([{ offset: 0, length: SIZE, kind: 'hole' }]);
    await device.write(Buffer.alloc(1, 1), 0, FUA);
    expect(device.extents(0, SIZE, 1)).toEqual([{ offset: 0, length: SIZE, kind: 'data' }]);
    await device.trim(0, SIZE, PLAIN);
    expect(punched).toBe(1);
  });

  test('reports what the system said: a file cut short, a descriptor opened read-only', async () => {
    const { device, path } = await fileDevice();
    await truncate(path, 4096);
    expect(() => device.read(Buffer.alloc(10), 8192)).toThrow(
      expect.objectContaining({ errno: 'EIO' }),
    );
    await expect(device.read(Buffer.alloc(1024 * 1024), 0)).rejects.toMatchObject({ errno: 'EIO' });
    const readOnly = await fileDevice({ flags: 'r' });
    expect(() => readOnly.device.write(Buffer.alloc(10), 0, PLAIN)).toThrow(
      expect.objectContaining({ name: 'BlockError', errno: 'EIO' }),
    );
  });
});

describe('hole puncher', () => {
  test('merges ranges that touch and runs few programs at once', async () => {
    const runs: string[] = [];
    let running = 0;
    let most = 0;
    const puncher = new HolePuncher(async (fd, offset, length) => {
      running += 1;
      most = Math.max(most, running);
      runs.push(`${fd}:${offset}+${length}`);
      await new Promise((resolve) => setImmediate(resolve));
      running -= 1;
      return 'punched';
    });
    const punches = [puncher.punch(1, 0, 10), puncher.punch(1, 10, 10), puncher.punch(1, 100, 5)];
    for (let fd = 2; fd < 8; fd++) punches.push(puncher.punch(fd, 0, 1));
    punches.push(puncher.punch(1, 20, 5));
    expect(await Promise.all(punches)).toEqual(punches.map(() => 'punched'));
    expect(runs.filter((run) => run.startsWith('1:'))).toEqual(['1:0+25', '1:100+5']);
    expect(most).toBe(2);
  });

  test('a failing program fails those who share it and nobody else', async () => {
    let first = true;
    const puncher = new HolePuncher(async () => {
      if (!first) return 'punched';
      first = false;
      throw Object.assign(new Error('fallocate: I/O error'), { code: 'EIO' });
    });
    const failed = [puncher.punch(1, 0, 10), puncher.punch(1, 10, 10)];
    for (const each of failed) await expect(each).rejects.toThrow('I/O error');
    expect(await puncher.punch(1, 0, 10)).toBe('punched');
  });

  test('a program that cannot even be started leaves the range as it was', async () => {
    // No program takes an environment of this size: spawn throws E2BIG.
    vi.stubEnv('ROOTCAST_TEST', 'x'.repeat(4 * 1024 * 1024));
    try {
      const puncher = new HolePuncher();
      expect(await puncher.punch(0, 0, 10)).toBe('busy');
      expect(await puncher.punch(0, 0, 10)).toBe('busy');
    } finally {
      vi.unstubAllEnvs();
    }
  });
});

describeWith([program('fallocate', 'util-linux')], 'fallocate', () => {
  test('gives trimmed and zeroed space back to the file system', async () => {
    const { device, path, warnings } = await fileDevice();
    await device.write(Buffer.alloc(4 * 1024 * 1024, 7), 0, FUA);
    const allocated = (): number => fs.statSync(path).blocks * 512;
    expect(allocated()).toBeGreaterThanOrEqual(4 * 1024 * 1024);
    await Promise.all([
      device.trim(0, 1024 * 1024, PLAIN),
      device.zero(1024 * 1024, 1024 * 1024, PLAIN_ZERO),
    ]);
    if (warnings() > 0) return; // this file system cannot
    expect(allocated()).toBeLessThanOrEqual(2 * 1024 * 1024 + 64 * 1024);
    const target = Buffer.alloc(4 * 1024 * 1024);
    await device.read(target, 0);
    expect(target.subarray(0, 2 * 1024 * 1024).every((byte) => byte === 0)).toBe(true);
    expect(target.subarray(2 * 1024 * 1024).every((byte) => byte === 7)).toBe(true);
    expect(execFileSync('stat', ['-c', '%s', path], { encoding: 'utf8' }).trim()).toBe(
      String(SIZE),
    );
  });
});
