import { describe, expect, it } from 'vitest';
import { MemoryDevice, PLAIN } from '../../../../src/block/index.ts';
import type { FileTree, OpenFileTree } from '../../../../src/vdisk/boot-files/file-tree.ts';
import { findBootFiles } from '../../../../src/vdisk/boot-files/index.ts';
import { SECTOR, writeExtSuperblock, writeMbr } from './disks.ts';

const SIZE = 8 * 1024 * 1024;
const FIRST = 1024 * 1024;
const SECOND = 4 * 1024 * 1024;
const UUIDS = [
  '11111111-2222-3333-4444-555555555555',
  'aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee',
] as const;

type Folders = Readonly<Record<string, readonly string[]>>;

/** Two partitions with ext superblocks (or a signature of something else), and what their trees list. */
async function find(first: Folders | string | Error, second: Folders | string | Error) {
  const disk = Buffer.alloc(SIZE);
  writeMbr(disk, 0, [
    { slot: 0, type: 0x83, first: FIRST / SECTOR, count: 2000 },
    { slot: 2, type: 0x83, first: SECOND / SECTOR, count: 2000 },
  ]);
  const trees = new Map<number, Folders | Error>();
  for (const [index, [offset, content]] of [
    [FIRST, first] as const,
    [SECOND, second] as const,
  ].entries()) {
    if (typeof content === 'string') disk.write(content, offset, 'latin1');
    else {
      writeExtSuperblock(disk, offset, UUIDS[index] ?? '');
      trees.set(offset, content);
    }
  }
  const device = new MemoryDevice({ size: SIZE, minimumIo: 4096 });
  await device.write(disk, 0, PLAIN);
  const extracted: string[] = [];
  let open = 0;
  const openTree: OpenFileTree = async (offset) => {
    const content = trees.get(offset);
    if (content === undefined || content instanceof Error) throw content ?? new Error('no tree');
    open += 1;
    const tree: FileTree = {
      list: async (path) => content[path] ?? [],
      extract: async (path, target) => {
        extracted.push(`${path} -> ${target}`);
      },
      close: async () => {
        open -= 1;
      },
    };
    return tree;
  };
  const signal = new AbortController().signal;
  const found = await findBootFiles(device, {
    extract: { kernel: 'K', initrd: 'I' },
    signal,
    openTree,
  });
  expect(open).toBe(0);
  return { found, extracted };
}

const DEBIAN_ROOT: Folders = {
  '/': ['etc', 'boot'],
  '/etc': ['os-release'],
  '/usr/sbin': ['mkinitramfs', 'init'],
};
const BOOT = ['vmlinuz-6.1', 'initrd.img-6.1'];

describe('boot files', () => {
  it('are in /boot of the root', async () => {
    const { found, extracted } = await find({ ...DEBIAN_ROOT, '/boot': BOOT }, 'rubbish');
    expect(found).toEqual({
      kernel: 'vmlinuz-6.1',
      initrd: 'initrd.img-6.1',
      kernelVersion: '6.1',
      rootPartition: 'p1',
      rootFilesystem: 'ext4',
      rootUuid: UUIDS[0],
      initramfs: 'initramfs-tools',
      reason: undefined,
    });
    expect(extracted).toEqual(['/boot/vmlinuz-6.1 -> K', '/boot/initrd.img-6.1 -> I']);
  });

  it('are in a partition of their own, before the root', async () => {
    const { found, extracted } = await find({ '/': [...BOOT, 'grub'] }, DEBIAN_ROOT);
    expect(found).toMatchObject({
      kernel: 'vmlinuz-6.1',
      rootPartition: 'p3',
      rootUuid: UUIDS[1],
      initramfs: 'initramfs-tools',
    });
    expect(extracted).toEqual(['/vmlinuz-6.1 -> K', '/initrd.img-6.1 -> I']);
  });

  it('are not a link at the top of a root whose /boot is elsewhere', async () => {
    const root = { ...DEBIAN_ROOT, '/': ['etc', 'vmlinuz', 'initrd.img'] };
    expect((await find(root, { '/': BOOT })).found).toMatchObject({
      kernel: 'vmlinuz-6.1',
      rootPartition: 'p1',
    });
    expect((await find(root, 'rubbish')).found.kernel).toBe('vmlinuz');
  });

  it('are in a /boot beside a root that we cannot read', async () => {
    const { found } = await find({ '/': ['vmlinuz-6.8', 'initramfs-6.8.img'] }, 'XFSB');
    expect(found).toMatchObject({
      kernel: 'vmlinuz-6.8',
      rootPartition: 'p3',
      rootFilesystem: 'xfs',
      initramfs: 'dracut',
    });
  });

  it('tell dracut by its program', async () => {
    const root = { '/etc': ['os-release'], '/usr/bin': ['dracut'], '/boot': BOOT };
    expect((await find(root, 'rubbish')).found.initramfs).toBe('dracut');
  });

  it('are missing, and the reason says what was seen', async () => {
    const none = await find('XFSB', 'LUKS\xba\xbe');
    expect(none.found.kernel).toBeUndefined();
    expect(none.found.reason).toContain('partition 1 xfs, partition 3 LUKS');
    const damaged = await find(new Error('bad magic'), 'rubbish');
    expect(damaged.found.reason).toContain('partition 1: bad magic');
    expect((await find(DEBIAN_ROOT, 'x')).found.reason).toContain('no kernel');
  });

  it('are found even where another file system is damaged', async () => {
    const { found } = await find(new Error('bad magic'), { ...DEBIAN_ROOT, '/boot': BOOT });
    expect(found).toMatchObject({ kernel: 'vmlinuz-6.1', rootPartition: 'p3', reason: undefined });
  });
});
