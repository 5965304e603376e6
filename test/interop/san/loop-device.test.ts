/** The kernel's own block devices: loop devices, as disks that the host sees. */
import { constants } from 'node:fs';
import { open, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { DirectReader } from '../../../src/adapters/san/direct-reader.ts';
import { SanAdapter } from '../../../src/adapters/san/index.ts';
import { PLAIN } from '../../../src/block/index.ts';
import type { CarvedControl } from '../../../src/repositories/index.ts';
import { describeBlockDevice } from '../../compliance/block-device.ts';
import { codeOf, errnoOf, KIB, MIB, makeVolume, SILENT } from '../../support/carved.ts';
import { describeWith, program, root } from '../../support/requires.ts';
import { run, succeed } from '../../support/run-program.ts';
import { temporaryFolder } from '../../support/temporary-folder.ts';
import { until } from '../../support/until.ts';
import { startVerifiedWrites } from '../../support/verified-writes.ts';

const NEEDS = [
  root(),
  program('losetup', 'mount'),
  program('mkfs.ext4', 'e2fsprogs'),
  program('sgdisk', 'gdisk'),
];
const parts = { log: SILENT, clock: () => performance.now() };
const { signal } = new AbortController();

describeWith(NEEDS, 'the san adapter on a loop device', () => {
  let folder: Awaited<ReturnType<typeof temporaryFolder>>;
  let file: string;
  let path: string;
  const loops: string[] = [];
  const adapter = new SanAdapter();

  const connection = (repositoryId: string, settings: Record<string, string | number>) => ({
    repositoryId,
    settings,
    secrets: {},
    initiatorName: 'iqn.2026-01.dev.rootcast:one',
  });
  const attach = (create: boolean): Promise<CarvedControl> =>
    adapter.attachCarved(
      connection('loop', { SCSIid: `file.${file}`, extentSize: 64 * KIB }),
      parts,
      {
        create,
        signal,
      },
    );
  const workerOf = (control: CarvedControl) =>
    adapter.openData(connection('loop', { SCSIid: `file.${file}` }), parts, async (question) => {
      return await control.answer(question);
    });

  async function loop(name: string, size: number): Promise<{ file: string; path: string }> {
    const backing = join(folder.path, name);
    await writeFile(backing, '');
    await truncate(backing, size);
    const { stdout } = await succeed('losetup', ['--find', '--show', backing]);
    const made = stdout.trim();
    loops.push(made);
    return { file: backing, path: made };
  }

  beforeAll(async () => {
    folder = await temporaryFolder('san-loop');
    ({ file, path } = await loop('lun', 64 * MIB));
  });
  afterAll(async () => {
    for (const made of loops) await run('losetup', ['--detach', made]);
    await folder.remove();
  });

  it('is found, carved, written, and found again', async () => {
    const probe = await adapter.probe(
      { settings: {}, secrets: {}, initiatorName: 'i' },
      parts,
      signal,
    );
    const found = probe.found.find(({ value }) => value === path);
    expect(found).toMatchObject({ size: 64 * MIB, settings: { SCSIid: `file.${file}` } });
    expect(found?.description).toMatch(/empty/);
    const control = await attach(true);
    const volume = await makeVolume(control, 20 * MIB, { tag: 't' });
    const device = await workerOf(control).open(volume.locator, { write: true });
    await device.write(Buffer.alloc(3 * MIB, 7), 5 * MIB, PLAIN);
    await device.flush();
    await device.close();
    await control.close();
    const again = await attach(false);
    const same = await again.findVolume({ tag: 't' });
    expect(same?.ref).toEqual(volume.ref);
    const reader = await workerOf(again).open(volume.locator, { write: false });
    const content = Buffer.alloc(4 * MIB);
    await reader.read(content, 5 * MIB);
    expect(content.subarray(0, 3 * MIB).equals(Buffer.alloc(3 * MIB, 7))).toBe(true);
    expect(content.subarray(3 * MIB).equals(Buffer.alloc(MIB))).toBe(true);
    await reader.close();
    const held = await adapter.probe(connection('', { device: path }), parts, signal);
    expect(held.found[0]?.description).toMatch(/part of something/);
    await again.close();
    const free = await adapter.probe(connection('', { device: path }), parts, signal);
    expect(free.found[0]?.holds).toEqual({ repositoryId: 'loop' });
  });

  it('is held: nobody else can have it, as long as it is attached', async () => {
    const control = await attach(false);
    const mkfs = succeed('mkfs.ext4', ['-F', path]);
    await expect(mkfs).rejects.toThrow();
    const exclusive = open(path, constants.O_RDWR | constants.O_EXCL);
    await expect(exclusive).rejects.toMatchObject({ code: 'EBUSY' });
    await control.close();
    await (await open(path, constants.O_RDWR | constants.O_EXCL)).close();
  });

  it('is refused when it is mounted, partitioned or formatted', async () => {
    const other = await loop('other', 64 * MIB);
    const create = () =>
      adapter.attach(connection('x', { device: other.path }), parts, { create: true, signal });
    await succeed('sgdisk', ['--new=1:0:0', other.path]);
    await expect(create()).rejects.toThrow(/GPT/);
    await succeed('sgdisk', ['--zap-all', other.path]);
    await succeed('mkfs.ext4', ['-q', '-F', other.path]);
    await expect(create()).rejects.toThrow(/ext4/);
    const mount = join(folder.path, 'mnt');
    await succeed('mkdir', [mount]);
    await succeed('mount', [other.path, mount]);
    try {
      expect(await codeOf(create())).toBe('IN_USE');
    } finally {
      await succeed('umount', [mount]);
    }
  });

  it('is checked, and repaired when something has written over a part of it', async () => {
    const check = (repair: boolean, repositoryId = 'loop') =>
      adapter.check(connection(repositoryId, { SCSIid: `file.${file}` }), parts, {
        ...{ repair, force: false, signal },
      });
    const attached = await attach(false);
    const volume = await makeVolume(attached, MIB, { tag: 'kept' });
    const worker = await workerOf(attached).open(volume.locator, { write: true });
    await worker.write(Buffer.alloc(64 * KIB, 9), 0, PLAIN);
    await worker.close();
    expect(await codeOf(check(false))).toBe('IN_USE'); // held, by whoever it is
    await attached.close();
    expect(await check(false)).toMatchObject({ clean: true, attached: false, findings: [] });
    // Whoever partitions the wrong disk.
    await succeed('dd', [
      ...['if=/dev/urandom', `of=${path}`, 'bs=4096', 'count=8', 'conv=fsync', 'oflag=direct'],
    ]);
    const found = await check(false);
    expect(found).toMatchObject({ clean: false, repaired: false, repositoryId: 'loop' });
    expect(found.findings.map(({ code }) => code)).toEqual(['superblock-copy']);
    expect(await codeOf(check(true, 'another'))).toBe('ALREADY_MANAGED');
    expect(await check(true)).toMatchObject({ clean: true, repaired: true });
    expect(await check(false)).toMatchObject({ clean: true, findings: [] });
    const again = await attach(false);
    const reader = await workerOf(again).open(volume.locator, { write: false });
    const content = Buffer.alloc(64 * KIB);
    await reader.read(content, 0);
    expect(content.equals(Buffer.alloc(64 * KIB, 9))).toBe(true);
    await reader.close();
    await again.deleteVolume({ opId: 'd', ref: volume.ref });
    await again.close();
  });

  it('is used as large as it becomes, while verified writes go on', async () => {
    const grown = await loop('grown', 16 * MIB);
    const settings = { SCSIid: `file.${grown.file}`, extentSize: 64 * KIB };
    const reach = connection('grown', settings);
    const control = await adapter.attachCarved(reach, parts, { create: true, signal });
    const data = adapter.openData(reach, parts, (question) => control.answer(question));
    const size = 12 * MIB;
    const volumes = [await makeVolume(control, size), await makeVolume(control, size)];
    const [first, second] = await Promise.all(
      volumes.map(({ locator }) => data.open(locator, { write: true })),
    );
    if (first === undefined || second === undefined) throw new Error('not opened');
    const writes = startVerifiedWrites(first, Buffer.alloc(size));
    await until('writes go on', () => writes.done > 50);
    const { total } = await control.space();
    await truncate(grown.file, 96 * MIB);
    await control.refresh();
    expect((await control.space()).total).toBe(total); // the kernel does not know yet
    await succeed('losetup', ['--set-capacity', grown.path]);
    await control.refresh();
    expect(control.deviceSize).toBe(96 * MIB);
    const before = writes.done;
    await until('writes go on', () => writes.done > before + 50);
    await second.write(Buffer.alloc(size, 9), 0, PLAIN); // more than there was
    await writes.finish();
    const content = Buffer.alloc(size);
    await second.read(content, 0);
    expect(content.equals(Buffer.alloc(size, 9))).toBe(true);
    const free = (await control.space()).free;
    expect(free).toBeGreaterThan(60 * MIB);
    const [volume] = volumes;
    if (volume === undefined) throw new Error('no volume');
    await control.resizeVolume({ opId: 'r', ref: volume.ref, size: 40 * MIB });
    await first.close();
    const larger = await data.open(volume.locator, { write: true });
    await larger.write(Buffer.alloc(MIB, 8), 39 * MIB, PLAIN);
    await Promise.all([second, larger].map((device) => device.close()));
    // What the kernel takes for smaller is told, and nothing more.
    await truncate(grown.file, 32 * MIB);
    await succeed('losetup', ['--set-capacity', grown.path]);
    await control.refresh();
    expect(await control.health()).toMatchObject({ state: 'failed' });
    expect((await control.space()).total).toBeLessThan(32 * MIB);
    await control.close();
  });

  it('is read past the page cache', async () => {
    const reader = DirectReader.open(path, 4096);
    if (reader === undefined) throw new Error('no O_DIRECT here');
    const other = await open(path, 'r+');
    const cached = Buffer.alloc(4096);
    await other.read(cached, 0, 4096, 40 * MIB);
    // Behind the back of the page cache of the loop device, as another host would.
    const backing = await open(file, 'r+');
    await backing.write(Buffer.alloc(4096, 0x77), 0, 4096, 40 * MIB);
    await backing.sync();
    const fresh = Buffer.alloc(4096);
    await reader.read(fresh, 40 * MIB);
    expect(fresh).toEqual(Buffer.alloc(4096, 0x77));
    await other.read(cached, 0, 4096, 40 * MIB);
    expect(cached).toEqual(Buffer.alloc(4096)); // which is why
    await Promise.all([reader.close(), other.close(), backing.close()]);
  });

  it('is known to be another one when its name leads elsewhere', async () => {
    const control = await attach(false);
    const volume = await makeVolume(control, MIB);
    const elsewhere = await loop('elsewhere', 64 * MIB);
    const wrong = adapter.openData(
      connection('loop', { device: elsewhere.path }),
      parts,
      (question) => control.answer(question),
    );
    expect(await errnoOf(() => wrong.open(volume.locator, { write: true }))).toBe('ESTALE');
    const named = adapter.openData(
      connection('loop', { device: elsewhere.path, SCSIid: `file.${file}` }),
      parts,
      (question) => control.answer(question),
    );
    expect(await errnoOf(() => named.open(volume.locator, { write: true }))).toBe('ESTALE');
    // Without a name for good, what lies on it gives it away.
    const nameless = { ...volume.locator, address: {} };
    expect(await errnoOf(() => wrong.open(nameless, { write: true }))).toBe('ESTALE');
    await control.deleteVolume({ opId: 'd', ref: volume.ref }); // nothing was left open
    await control.close();
  });

  describe('carved', () => {
    describeBlockDevice('a carved volume of a loop device', async () => {
      const control = await attach(false);
      const size = MIB + 12 * KIB;
      const volume = await makeVolume(control, size);
      const device = await workerOf(control).open(volume.locator, { write: true });
      const content = Buffer.alloc(size);
      content.fill('abc', 100 * KIB, 300 * KIB);
      await device.write(content.subarray(0, 400 * KIB), 0, PLAIN);
      return {
        device,
        content,
        dispose: async () => {
          await control.deleteVolume({ opId: 'd', ref: volume.ref });
          await control.close();
        },
      };
    });
  });
});
