/** A folder on a file system that is full, or read-only; and what other programs see of clones. */
import { join } from 'node:path';
import { afterEach, expect, test } from 'vitest';
import { PLAIN } from '../../../src/block/index.ts';
import type { ArrayControl } from '../../../src/repositories/index.ts';
import { newTag, outcome, present } from '../../compliance/array/bench.ts';
import { attachLocal, localConnection } from '../../support/local-arrays.ts';
import { describeWith, program, root } from '../../support/requires.ts';
import { succeed } from '../../support/run-program.ts';
import { type LoopFileSystem, loopFileSystem } from './loop-file-system.ts';

const MIB = 1024 ** 2;
const POLL = { timeout: 20_000 };
const needs = [root(), program('mount', 'mount'), program('losetup', 'mount')];

const mounted: LoopFileSystem[] = [];
afterEach(async () => {
  for (const each of mounted.splice(0)) await each.remove();
});

async function repository(kind: 'ext4' | 'xfs' | 'btrfs', size?: number) {
  const fileSystem = await loopFileSystem(kind, size);
  mounted.push(fileSystem);
  const path = fileSystem.here;
  return { fileSystem, path, ...(await attachLocal(localConnection(path), { create: true })) };
}

const create = (control: ArrayControl, size: number, thin: boolean) => {
  const tag = newTag();
  return control.createVolume({ opId: tag, tag, name: `v-${tag}`, size, thin });
};

describeWith([...needs, program('mkfs.ext4', 'e2fsprogs')], 'a folder on a small ext4', () => {
  test('has no room for what is thick, and leaves nothing of it', async () => {
    const { control } = await repository('ext4', 32 * MIB);
    expect(control.snapshots).toBeUndefined();
    expect(control.clones).toBeUndefined();
    const before = await control.space();
    expect(await outcome(create(control, 64 * MIB, false))).toBe('NO_SPACE');
    expect((await control.listVolumes({ ownedOnly: false })).items).toEqual([]);
    expect((await control.space())?.free).toBe(before?.free);
    const thin = await create(control, 1024 * MIB, true);
    expect((await control.space())?.provisioned).toBe(1024 * MIB);
    const fits = await create(control, 4 * MIB, false);
    const grow = { opId: 'g', ref: fits.ref, size: 64 * MIB };
    expect(await outcome(control.resizeVolume(grow))).toBe('NO_SPACE');
    expect(await control.findVolume({ ref: fits.ref })).toMatchObject({ size: 4 * MIB });
    expect((await control.health()).state).toBe('good'); // and the rest is free again
    await control.deleteVolume({ opId: 'd', ref: thin.ref });
  });

  test('tells when it is nearly full; whoever writes gets ENOSPC', async () => {
    const { control, data } = await repository('ext4', 32 * MIB);
    expect((await control.health()).state).toBe('good');
    const volume = await create(control, 1024 * MIB, true);
    const device = await data.open(volume.locator, { write: true });
    const fill = async (): Promise<void> => {
      for (let at = 0; ; at += MIB) await device.write(Buffer.alloc(MIB, 1), at, PLAIN);
    };
    await expect(fill()).rejects.toMatchObject({ name: 'BlockError', errno: 'ENOSPC' });
    const { state, messages } = await control.health();
    expect(state).toBe('degraded');
    expect(messages.join()).toMatch(/nearly full/);
    await device.close();
    await control.deleteVolume({ opId: 'd', ref: volume.ref });
    expect((await control.health()).state).toBe('good');
  });

  test('that became read-only says so, and reads on', async () => {
    const { control, data, fileSystem } = await repository('ext4', 32 * MIB);
    const volume = await create(control, MIB, true);
    await fileSystem.remount('ro');
    expect(await outcome(create(control, MIB, true))).toBe('PERMISSION_DENIED');
    const health = await control.health();
    expect(health.state).toBe('failed');
    expect(health.messages.join()).toMatch(/only be read/);
    const device = await data.open(volume.locator, { write: false });
    await device.read(Buffer.alloc(512), 0);
    await device.close();
    await expect(data.open(volume.locator, { write: true })).rejects.toMatchObject({
      name: 'BlockError',
      errno: 'EROFS',
    });
  });
});

describeWith(
  [...needs, program('mkfs.xfs', 'xfsprogs'), program('filefrag', 'e2fsprogs')],
  'XFS',
  () => {
    test('shares the blocks of snapshots and linked clones, and none of full ones', async () => {
      const { control, data, path } = await repository('xfs');
      const volume = await create(control, 4 * MIB, true);
      const device = await data.open(volume.locator, { write: true });
      await device.write(Buffer.alloc(4 * MIB, 7), 0, PLAIN);
      await device.close();
      const clones = present(control.clones, 'clones');
      const shared = async (file: string | number | undefined): Promise<boolean> => {
        const { stdout } = await succeed('filefrag', ['-v', join(path, String(file))]);
        return /\bshared\b/.test(stdout);
      };
      const file = volume.locator.address['file'];
      expect(await shared(file)).toBe(false);
      for (const kind of ['full', 'linked'] as const) {
        const wanted = { opId: kind, tag: kind, name: kind, source: volume.ref, kind };
        const { locator } = await clones.clone(wanted);
        expect(await shared(locator.address['file']), kind).toBe(kind === 'linked');
        // XFS lets go of a removed file (the moment that was copied) a little later.
        await expect.poll(() => shared(file), POLL).toBe(kind === 'linked');
      }
    });
  },
);
