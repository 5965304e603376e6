/** What lies on a device: before it is carved it must be empty, and a refusal should say what is there. */
import type { BlockDevice } from '../../block/index.ts';
import { ZEROES } from '../../block/index.ts';
import type { ProbeFinding } from '../adapter.ts';
import { EMPTY_PROBE_BYTES, METADATA_BLOCK_BYTES } from './limits.ts';
import { readRange, readSuperblocks } from './metadata-io.ts';

/** Marks of what people keep on disks: in the first megabyte. */
const MARKS: readonly { readonly name: string; readonly at: number; readonly bytes: Buffer }[] = [
  mark('a GPT partition table', 512, 'EFI PART'),
  mark('a GPT partition table', 4096, 'EFI PART'),
  mark('LUKS', 0, 'LUKS\xba\xbe'),
  mark('XFS', 0, 'XFSB'),
  mark('Btrfs', 65_600, '_BHRfS_M'),
  mark('ext2, ext3 or ext4', 1080, '\x53\xef'),
  mark('an LVM physical volume', 512, 'LABELONE'),
  mark('an LVM physical volume', 0, 'LABELONE'),
  mark('a member of a Linux RAID', 4096, '\xfc\x4e\x2b\xa9'),
  mark('a member of a Linux RAID', 0, '\xfc\x4e\x2b\xa9'),
  mark('swap', 4086, 'SWAPSPACE2'),
  mark('NTFS', 3, 'NTFS    '),
  mark('VMFS', 0x100000 - 512, '\x0d\xd0\x01\xc0'),
  mark('a qcow2 image', 0, 'QFI\xfb'),
  mark('a Ceph OSD', 0, 'bluestore block device'),
  mark('a bcache device', 4096 + 24, '\xc6\x85\x73\xf6\x4e\x1a\x45\xca'),
  mark('an MBR partition table or a boot sector', 510, '\x55\xaa'),
];

function mark(name: string, at: number, text: string): (typeof MARKS)[number] {
  return { name, at, bytes: Buffer.from(text, 'latin1') };
}

/** The repository that a carved device holds. */
interface CarvedContent {
  readonly repositoryId: string;
  readonly owner: string;
  readonly attached: boolean;
}

type DeviceContent =
  | { readonly kind: 'empty' }
  | ({ readonly kind: 'carved' } & CarvedContent)
  /** For people: what it is. */
  | { readonly kind: 'other'; readonly description: string };

/** Changes nothing. Empty: nothing recognisable, and zeroes in its first and last megabyte. */
export async function readDeviceContent(device: BlockDevice): Promise<DeviceContent> {
  const { size, minimumIo } = device.geometry;
  const read = (target: Buffer, offset: number) => device.read(target, offset);
  if (minimumIo <= METADATA_BLOCK_BYTES) {
    const { copies, newest } = await readSuperblocks(read, size);
    if (newest !== undefined) {
      const { repositoryId, owner, attached } = newest;
      return { kind: 'carved', repositoryId, owner, attached };
    }
    if (copies.some(({ kind }) => kind !== 'foreign')) {
      return { kind: 'other', description: 'a damaged or newer repository of Rootcast' };
    }
  }
  // A device that does not end with a whole block has nothing that we would miss in its last part of one.
  const blocks = Math.floor(size / METADATA_BLOCK_BYTES) * METADATA_BLOCK_BYTES;
  const length = Math.min(blocks, EMPTY_PROBE_BYTES);
  const first = await readRange(device, 0, length);
  const found = MARKS.find(({ at, bytes }) => first.subarray(at, at + bytes.length).equals(bytes));
  if (found !== undefined) return { kind: 'other', description: found.name };
  const last = await readRange(device, blocks - length, length);
  if (isZero(first) && isZero(last)) return { kind: 'empty' };
  return { kind: 'other', description: 'data of an unknown kind' };
}

/** What a probe says of a disk, with what lies on it. Changes nothing. */
export async function findingOfContent(
  finding: ProbeFinding,
  device: BlockDevice,
): Promise<ProbeFinding> {
  const content = await readDeviceContent(device);
  const described = (what: string): ProbeFinding => ({
    ...finding,
    description: [finding.description, what].filter((text) => text !== '').join(', '),
  });
  switch (content.kind) {
    case 'empty':
      return described('empty');
    case 'other':
      return described(`holds ${content.description}`);
    case 'carved': {
      const { repositoryId, owner } = content;
      return { ...described(`repository of ${owner}`), holds: { repositoryId } };
    }
  }
}

function isZero(bytes: Buffer): boolean {
  return bytes.equals(ZEROES.subarray(0, bytes.length));
}
