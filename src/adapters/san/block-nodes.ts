/**
 * The block devices that this host sees, from /sys: sizes, names for good, what they are made of and what is made of
 * them. Reads files only.
 */
import { open, readdir, readlink, realpath } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { BLOCK_DEVICES, SYS_FILE_BYTES, VPD_PAGE_BYTES } from './limits.ts';
import { canonicalWwid, wwidOfPage } from './vpd-page.ts';

/** Where the kernel shows itself; a test has folders of its own. */
export interface HostFolders {
  /** `/sys`. */
  readonly sys: string;
  /** `/dev`. */
  readonly dev: string;
}

export interface BlockNode {
  /** The kernel's, e.g. `sda`, `dm-3`. */
  readonly name: string;
  /** Of its device node. */
  readonly path: string;
  /** Bytes. */
  readonly size: number;
  /** Bytes; requests are multiples of it. */
  readonly logicalBlock: number;
  /** In the spelling of canonicalWwid; undefined: it has no name for good. */
  readonly wwid: string | undefined;
  readonly vendor: string;
  readonly model: string;
  readonly multipath: boolean;
  readonly readOnly: boolean;
  readonly rotational: boolean;
  /** Names of devices that are made of it or of one of its partitions. */
  readonly holders: readonly string[];
  readonly partitions: readonly string[];
  /** Names of the devices that it is made of, e.g. paths. */
  readonly slaves: readonly string[];
}

/** Disks that are there and hold at least a byte, by name. Partitions are not listed. */
export async function listBlockNodes(folders: HostFolders): Promise<BlockNode[]> {
  const names = await list(join(folders.sys, 'block'));
  const nodes: BlockNode[] = [];
  for (const name of names.slice(0, BLOCK_DEVICES)) {
    const node = await readBlockNode(folders, name);
    if (node !== undefined && node.size > 0) nodes.push(node);
  }
  return nodes;
}

/** @param name the kernel's, of a disk or a partition; undefined: there is none */
export async function readBlockNode(
  folders: HostFolders,
  name: string,
): Promise<BlockNode | undefined> {
  const folder = join(folders.sys, 'class/block', name);
  const size = Number(await text(join(folder, 'size'))) * 512; // in sectors, whatever the disk's are
  if (!Number.isSafeInteger(size) || !(await exists(folder))) return undefined;
  const dm = await text(join(folder, 'dm/uuid'));
  const partitions = (await list(folder)).filter((entry) => entry.startsWith(name));
  const holders = await list(join(folder, 'holders'));
  for (const partition of partitions) {
    holders.push(...(await list(join(folder, partition, 'holders'))));
  }
  return {
    name,
    path: join(folders.dev, name),
    size,
    logicalBlock: Number(await text(join(folder, 'queue/logical_block_size'))) || 512,
    wwid: await wwidOf(folder, dm),
    vendor: (await text(join(folder, 'device/vendor'))).trim(),
    model: (await text(join(folder, 'device/model'))).trim(),
    multipath: dm.startsWith('mpath-'),
    readOnly: (await text(join(folder, 'ro'))).trim() === '1',
    rotational: (await text(join(folder, 'queue/rotational'))).trim() === '1',
    holders,
    partitions,
    slaves: await list(join(folder, 'slaves')),
  };
}

/** The kernel's name of what a path leads to, e.g. of `/dev/disk/by-id/…` or `/dev/mapper/…`. */
export async function nameOfPath(path: string): Promise<string | undefined> {
  try {
    return basename(await realpath(path));
  } catch {
    return undefined;
  }
}

async function wwidOf(folder: string, dm: string): Promise<string | undefined> {
  if (dm !== '') return canonicalWwid(dm.trim());
  const page = await bytes(join(folder, 'device/vpd_pg83'), VPD_PAGE_BYTES);
  const fromPage = page === undefined ? undefined : wwidOfPage(page);
  if (fromPage !== undefined) return fromPage;
  for (const file of ['device/wwid', 'wwid']) {
    const wwid = (await text(join(folder, file))).trim();
    if (wwid !== '') return canonicalWwid(wwid);
  }
  const serial = (await text(join(folder, 'serial'))).trim();
  if (serial !== '') return `serial.${canonicalWwid(serial)}`;
  // A loop device is its file.
  const backing = (await text(join(folder, 'loop/backing_file'))).trim();
  return backing === '' ? undefined : `file.${backing}`;
}

async function list(folder: string): Promise<string[]> {
  try {
    return (await readdir(folder)).sort();
  } catch {
    return [];
  }
}

async function exists(path: string): Promise<boolean> {
  try {
    await readlink(path);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EINVAL'; // there, but no link
  }
}

async function text(path: string): Promise<string> {
  return (await bytes(path, SYS_FILE_BYTES))?.toString('utf8') ?? '';
}

/** undefined: it cannot be read. Files of /sys have no length to ask for. */
async function bytes(path: string, most: number): Promise<Buffer | undefined> {
  try {
    const file = await open(path, 'r');
    try {
      const { bytesRead, buffer } = await file.read(Buffer.alloc(most), 0, most, 0);
      return buffer.subarray(0, bytesRead);
    } finally {
      await file.close();
    }
  } catch {
    return undefined;
  }
}
