import { open, stat } from 'node:fs/promises';
import { Fault } from '../../errors/index.ts';
import { runProgram } from '../demo/index.ts';

export type ImageKind = 'folder' | 'raw' | 'qcow2';

/** @throws Fault NOT_FOUND, IMAGE_UNSUPPORTED */
export async function imageKind(path: string): Promise<ImageKind> {
  const found = await stat(path).catch(() => undefined);
  if (found === undefined) {
    throw new Fault('NOT_FOUND', `${path} does not exist`, { field: 'image', value: path });
  }
  if (found.isDirectory()) return 'folder';
  if (!found.isFile()) throw unsupported(path, 'it is neither a file nor a folder');
  const handle = await open(path);
  try {
    const head = Buffer.alloc(8);
    await handle.read(head, 0, head.length, 0);
    if (head.toString('latin1', 0, 4) === 'QFI\xfb') return 'qcow2';
    const other = OTHER_FORMATS.find(({ magic }) => head.toString('latin1').startsWith(magic));
    if (other !== undefined) throw unsupported(path, `it is a ${other.name} file`);
    return 'raw';
  } finally {
    await handle.close();
  }
}

const OTHER_FORMATS = [
  { magic: 'vhdxfile', name: 'VHDX' },
  { magic: 'conectix', name: 'VHD' },
  { magic: 'KDMV', name: 'VMDK' },
] as const;

function unsupported(path: string, why: string): Fault {
  return new Fault('IMAGE_UNSUPPORTED', `${path} cannot be prepared: ${why}`, {
    field: 'image',
    value: path,
    expected: 'a folder, or a raw or qcow2 file (qemu-img convert -O raw)',
  });
}

/** Where on a raw disk a file system may begin, and how many bytes it may have. */
export interface Place {
  readonly offset: number;
  readonly size: number;
}

/** The partitions of a raw disk, the largest first; the whole of it where there are none. @throws ProgramError */
export async function placesOf(path: string): Promise<readonly Place[]> {
  const { size } = await stat(path);
  const table = await runProgram(['sfdisk', '--json', path]).catch(() => undefined);
  if (table === undefined) return [{ offset: 0, size }];
  return partitionsOf(table, size);
}

/** @param json of sfdisk. @param diskBytes of the disk */
export function partitionsOf(json: string, diskBytes: number): readonly Place[] {
  const { partitiontable: table } = JSON.parse(json) as {
    partitiontable?: {
      sectorsize?: number;
      partitions?: readonly { start: number; size: number }[];
    };
  };
  const sector = table?.sectorsize ?? 512;
  return (table?.partitions ?? [])
    .map(({ start, size }) => ({ offset: start * sector, size: size * sector }))
    .filter(({ offset, size }) => size > 0 && offset + size <= diskBytes)
    .sort((a, b) => b.size - a.size);
}

/** What blkid calls what is in a place and must not be looked at: to attach it can wake the host's LVM or RAID. */
const NO_FILE_SYSTEMS: ReadonlySet<string> = new Set([
  ...['LVM1_member', 'LVM2_member', 'linux_raid_member', 'ddf_raid_member', 'isw_raid_member'],
  ...['crypto_LUKS', 'swap', 'swsuspend', 'bcache', 'drbd', 'VMFS_volume_member', 'zfs_member'],
]);

/** @returns what it holds instead of a file system; undefined: it may be mounted */
export async function noFileSystem(
  path: string,
  { offset, size }: Place,
): Promise<string | undefined> {
  const at = ['--offset', `${offset}`, '--size', `${size}`];
  const asked = ['blkid', '--probe', '--match-tag', 'TYPE', '--output', 'value', ...at, path];
  const [program = '', ...more] = asked;
  // It fails where it finds nothing.
  const found = await runProgram([program, ...more]).catch(() => '');
  return NO_FILE_SYSTEMS.has(found.trim()) ? found.trim() : undefined;
}
