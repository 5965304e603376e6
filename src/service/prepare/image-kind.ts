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
  /** As fstab(5) names a partition: `PARTUUID=…`; undefined: it is none, or has none. */
  readonly name?: string;
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
      partitions?: readonly { start: number; size: number; uuid?: string }[];
    };
  };
  const sector = table?.sectorsize ?? 512;
  return (table?.partitions ?? [])
    .map(({ start, size, uuid }) => ({
      ...{ offset: start * sector, size: size * sector },
      ...(uuid === undefined ? {} : { name: `PARTUUID=${uuid.toLowerCase()}` }),
    }))
    .filter(({ offset, size }) => size > 0 && offset + size <= diskBytes)
    .sort((a, b) => b.size - a.size);
}

/** What blkid calls what is in a place and must not be looked at: to attach it can wake the host's LVM or RAID. */
const NO_FILE_SYSTEMS: ReadonlySet<string> = new Set([
  ...['LVM1_member', 'LVM2_member', 'linux_raid_member', 'ddf_raid_member', 'isw_raid_member'],
  ...['crypto_LUKS', 'swap', 'swsuspend', 'bcache', 'drbd', 'VMFS_volume_member', 'zfs_member'],
]);

/** What is in a place, as blkid finds it. */
export interface PlaceFacts {
  /** What it holds instead of a file system; undefined: it may be mounted. */
  readonly other: string | undefined;
  /** How fstab(5) may call it: `UUID=…`, `LABEL=…`, `PARTUUID=…`. */
  readonly names: readonly string[];
}

export async function placeFacts(path: string, place: Place): Promise<PlaceFacts> {
  const at = ['--offset', `${place.offset}`, '--size', `${place.size}`];
  // It fails where it finds nothing.
  const found = await runProgram(['blkid', '--probe', '--output', 'export', ...at, path]).catch(
    () => '',
  );
  const facts = new Map(
    found.split('\n').map((line) => {
      const end = line.indexOf('=');
      return [line.slice(0, end), line.slice(end + 1)] as const;
    }),
  );
  const type = facts.get('TYPE');
  const tags = ['UUID', 'LABEL'].flatMap((tag) => {
    const value = facts.get(tag);
    return value === undefined ? [] : [`${tag}=${value}`];
  });
  return {
    other: type !== undefined && NO_FILE_SYSTEMS.has(type) ? type : undefined,
    names: [...tags, ...(place.name === undefined ? [] : [place.name])],
  };
}
