/**
 * Finds kernel, initrd and root file system inside of an image. Read first.
 *
 * The root is the file system with an /etc/os-release or an init; the kernel is the newest one of its
 * /boot, or of a file system that holds only /boot. An image without them is no error: it says why.
 */
import { rm } from 'node:fs/promises';
import type { ReadableBlockDevice } from '../../block/index.ts';
import type { BootFiles, Initramfs } from './boot-files.ts';
import { diskOfDevice } from './disk-of-device.ts';
import { openExt4Tree } from './ext4-tree.ts';
import { type FileSystem, fileSystemOf } from './file-system-kind.ts';
import type { FileTree, OpenFileTree } from './file-tree.ts';
import { type KernelPair, newestKernel } from './kernel-names.ts';
import { FILE_SYSTEMS_MAX, INITRD_BYTES_MAX, KERNEL_BYTES_MAX } from './limits.ts';
import { type Disk, type Partition, readPartitions } from './partition-table.ts';

export interface FindBootFilesOptions {
  /** Paths to copy kernel and initrd to; undefined: look only. */
  readonly extract: { readonly kernel: string; readonly initrd: string } | undefined;
  /** Ends the search: the caller's cancel and time limit. */
  readonly signal: AbortSignal;
  readonly openTree?: OpenFileTree;
}

interface Volume {
  readonly partition: Partition;
  readonly fileSystem: FileSystem;
}

interface Look extends Volume {
  readonly isRoot: boolean;
  readonly initramfs: Initramfs;
  /** Where in this file system the kernel is: `/boot` or ``. */
  readonly folder: string;
  readonly kernel: KernelPair | undefined;
}

/** Never throws: what went wrong is the reason why there is no kernel. */
export async function findBootFiles(
  device: ReadableBlockDevice,
  options: FindBootFilesOptions,
): Promise<BootFiles> {
  const disk = diskOfDevice(device);
  const openTree: OpenFileTree =
    options.openTree ?? ((offset, signal) => openExt4Tree(disk, offset, signal));
  try {
    return await find(disk, openTree, options);
  } catch (error) {
    return nothing(error instanceof Error ? error.message : String(error));
  }
}

async function find(
  disk: Disk,
  openTree: OpenFileTree,
  options: FindBootFilesOptions,
): Promise<BootFiles> {
  const volumes = await volumesOf(disk);
  const looks: Look[] = [];
  const troubles: string[] = [];
  for (const volume of volumes.filter((one) => one.fileSystem.isExt).slice(0, FILE_SYSTEMS_MAX)) {
    try {
      looks.push(await withTree(openTree, volume, options.signal, (tree) => look(tree, volume)));
    } catch (error) {
      troubles.push(`${nameOf(volume)}: ${(error as Error).message}`);
    }
  }
  const root = looks.find((one) => one.isRoot) ?? unreadRoot(volumes);
  const rootLook = looks.find((one) => one === root);
  const source = kernelSource(rootLook, looks);
  const found = {
    rootPartition: root === undefined ? '' : linuxName(root.partition),
    rootFilesystem: root?.fileSystem.kind,
    rootUuid: root?.fileSystem.uuid,
    initramfs: initramfsOf(rootLook, source),
  };
  if (source?.kernel === undefined) return { ...nothing(whyNot(volumes, troubles)), ...found };
  const pair = source.kernel;
  const { extract, signal } = options;
  if (extract !== undefined) {
    try {
      await withTree(openTree, source, signal, (tree) =>
        copyOut(tree, source.folder, pair, extract),
      );
    } catch (error) {
      await rm(extract.kernel, { force: true });
      await rm(extract.initrd, { force: true });
      return { ...nothing(`${nameOf(source)}: ${(error as Error).message}`), ...found };
    }
  }
  return {
    ...found,
    kernel: pair.kernel,
    initrd: pair.initrd,
    kernelVersion: pair.version,
    reason: undefined,
  };
}

/** The partitions, or the whole disk where it has no table (or a table's signature by chance). */
async function volumesOf(disk: Disk): Promise<readonly Volume[]> {
  const whole = { number: 0, offset: 0, size: disk.size };
  const partitions = await readPartitions(disk);
  const volumes: Volume[] = [];
  for (const partition of partitions.length === 0 ? [whole] : partitions) {
    volumes.push({ partition, fileSystem: await fileSystemOf(disk, partition) });
  }
  return volumes;
}

async function withTree<T>(
  openTree: OpenFileTree,
  volume: Volume,
  signal: AbortSignal,
  body: (tree: FileTree) => Promise<T>,
): Promise<T> {
  const tree = await openTree(volume.partition.offset, signal);
  try {
    return await body(tree);
  } finally {
    await tree.close();
  }
}

async function look(tree: FileTree, volume: Volume): Promise<Look> {
  const top = await tree.list('/');
  const etc = await tree.list('/etc');
  const programs = new Set([
    ...(await tree.list('/sbin')),
    ...(await tree.list('/usr/sbin')),
    ...(await tree.list('/usr/bin')),
  ]);
  const isRoot = etc.includes('os-release') || programs.has('init');
  const inBoot = newestKernel(await tree.list('/boot'));
  const inTop = newestKernel(top);
  return {
    ...volume,
    isRoot,
    initramfs: builderOf(programs),
    folder: inBoot === undefined ? '' : '/boot',
    kernel: inBoot ?? inTop,
  };
}

function builderOf(programs: ReadonlySet<string>): Initramfs {
  if (programs.has('mkinitramfs')) return 'initramfs-tools';
  return programs.has('dracut') ? 'dracut' : 'unknown';
}

/**
 * The root's own /boot, else a file system that is all /boot. A kernel at the top of the root is a
 * link into /boot, and leads nowhere when that is a partition of its own: it comes last.
 */
function kernelSource(root: Look | undefined, looks: readonly Look[]): Look | undefined {
  if (root?.kernel !== undefined && root.folder !== '') return root;
  const others = looks.filter((one) => one !== root && one.kernel !== undefined);
  return others.find((one) => !one.isRoot) ?? others[0] ?? root;
}

/** What the root says; else the name that only dracut gives to its initrd. */
function initramfsOf(root: Look | undefined, source: Look | undefined): Initramfs {
  if (root !== undefined && root.initramfs !== 'unknown') return root.initramfs;
  const initrd = source?.kernel?.initrd ?? '';
  return /^initramfs-.*\.img$/.test(initrd) ? 'dracut' : 'unknown';
}

/** A root that we cannot look into: the only file system of its kind, beside a /boot that we can. */
function unreadRoot(volumes: readonly Volume[]): Volume | undefined {
  const possible = volumes.filter(({ fileSystem: { kind } }) => kind === 'xfs' || kind === 'btrfs');
  return possible.length === 1 ? possible[0] : undefined;
}

async function copyOut(
  tree: FileTree,
  folder: string,
  pair: KernelPair,
  target: { readonly kernel: string; readonly initrd: string },
): Promise<void> {
  await tree.extract(`${folder}/${pair.kernel}`, target.kernel, KERNEL_BYTES_MAX);
  if (pair.initrd === undefined) return;
  await tree.extract(`${folder}/${pair.initrd}`, target.initrd, INITRD_BYTES_MAX);
}

function whyNot(volumes: readonly Volume[], troubles: readonly string[]): string {
  if (troubles.length > 0) return `the file system cannot be read: ${troubles.join('; ')}`;
  if (volumes.some((volume) => volume.fileSystem.isExt)) {
    return 'no kernel (vmlinuz-…) in /boot of any ext file system';
  }
  const seen = volumes.map((volume) => `${nameOf(volume)} ${volume.fileSystem.kind ?? 'unknown'}`);
  return `no ext2, ext3 or ext4 file system to find a kernel in (${seen.join(', ')})`;
}

function nameOf({ partition }: Volume): string {
  return partition.number === 0 ? 'whole disk' : `partition ${partition.number}`;
}

function linuxName(partition: Partition): string {
  return partition.number === 0 ? '' : `p${partition.number}`;
}

function nothing(reason: string): BootFiles {
  return {
    kernel: undefined,
    initrd: undefined,
    kernelVersion: undefined,
    rootPartition: '',
    rootFilesystem: undefined,
    rootUuid: undefined,
    initramfs: 'unknown',
    reason,
  };
}
