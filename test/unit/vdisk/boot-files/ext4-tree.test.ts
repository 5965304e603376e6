/** The thread that reads ext file systems, on disks that want to harm it. Real ones: test/interop/images. */
import { describe, expect, it } from 'vitest';
import { openExt4Tree } from '../../../../src/vdisk/boot-files/ext4-tree.ts';
import { SEED, seededRandom } from '../../../support/seed.ts';
import { MemoryDisk, writeExtSuperblock } from './disks.ts';

const SIZE = 4 * 1024 * 1024;
const UUID = '11111111-2222-3333-4444-555555555555';
const never = new AbortController().signal;

describe('the reader of ext file systems', () => {
  it('refuses a disk without one', async () => {
    await expect(openExt4Tree(new MemoryDisk(Buffer.alloc(SIZE)), 0, never)).rejects.toThrow();
  });

  it(`refuses random superblocks (seed ${SEED})`, async () => {
    const random = seededRandom();
    for (let round = 0; round < 6; round += 1) {
      const bytes = Buffer.alloc(SIZE);
      for (let at = 1024; at < 8192; at += 1) bytes.writeUInt8(Math.floor(random() * 256), at);
      writeExtSuperblock(bytes, 0, UUID);
      await expect(openExt4Tree(new MemoryDisk(bytes), 0, never)).rejects.toThrow();
    }
  });

  it('ends at once when the signal says so, whatever the disk does', async () => {
    const controller = new AbortController();
    const stuck = {
      size: SIZE,
      read: () => {
        controller.abort(new Error('time is up'));
        return new Promise<void>(() => undefined);
      },
    };
    await expect(openExt4Tree(stuck, 0, controller.signal)).rejects.toThrow('time is up');
    await expect(openExt4Tree(stuck, 0, controller.signal)).rejects.toThrow('time is up');
  });

  it('fails when the disk cannot be read', async () => {
    const broken = { size: SIZE, read: () => Promise.reject(new Error('EIO')) };
    await expect(openExt4Tree(broken, 0, never)).rejects.toThrow();
  });
});
