/** What a partition holds, from its signature: to look into it, or to say why not. */
import type { Disk, Partition } from './partition-table.ts';

const SAMPLE_BYTES = 0x10080;

const SUPERBLOCK_AT = 1024; // of ext2, ext3 and ext4 ("struct ext2_super_block" of e2fsprogs)
const EXT_COMPATIBLE_AT = SUPERBLOCK_AT + 92;
const EXT_INCOMPATIBLE_AT = SUPERBLOCK_AT + 96;
const EXT_UUID_AT = SUPERBLOCK_AT + 104;
const EXT_HAS_JOURNAL = 0x4;
/** Features of ext4 only: extents, 64-bit, flexible block groups. */
const EXT4_INCOMPATIBLE = 0x40 | 0x80 | 0x200;

const OTHERS: readonly { at: number; text: string; name: string }[] = [
  { at: 0, text: 'XFSB', name: 'xfs' },
  { at: 0x10040, text: '_BHRfS_M', name: 'btrfs' },
  { at: 1024, text: '\x10\x20\xf5\xf2', name: 'f2fs' },
  { at: 0, text: 'hsqs', name: 'squashfs' },
  { at: 512, text: 'LABELONE', name: 'LVM' },
  { at: 0, text: 'LUKS\xba\xbe', name: 'LUKS' },
  { at: 3, text: 'NTFS    ', name: 'ntfs' },
  { at: 54, text: 'FAT', name: 'vfat' },
  { at: 82, text: 'FAT32', name: 'vfat' },
  { at: 4086, text: 'SWAPSPACE2', name: 'swap' },
];

export interface FileSystem {
  /** `ext4`, `xfs`, `LVM` …; undefined when it has no signature that we know. */
  readonly kind: string | undefined;
  /** One that the ext4 reader can look into. */
  readonly isExt: boolean;
  /** As `blkid` prints it; of ext file systems only. */
  readonly uuid: string | undefined;
}

export async function fileSystemOf(disk: Disk, partition: Partition): Promise<FileSystem> {
  const sample = Buffer.alloc(SAMPLE_BYTES);
  const length = Math.min(sample.length, partition.size);
  await disk.read(sample.subarray(0, length), partition.offset);
  if (sample.toString('latin1', SUPERBLOCK_AT + 56, SUPERBLOCK_AT + 58) === '\x53\xef') {
    return { kind: extKind(sample), isExt: true, uuid: uuidOf(sample) };
  }
  const other = OTHERS.find(
    ({ at, text }) => sample.toString('latin1', at, at + text.length) === text,
  );
  return { kind: other?.name, isExt: false, uuid: undefined };
}

function extKind(sample: Buffer): 'ext2' | 'ext3' | 'ext4' {
  if ((sample.readUInt32LE(EXT_INCOMPATIBLE_AT) & EXT4_INCOMPATIBLE) !== 0) return 'ext4';
  return (sample.readUInt32LE(EXT_COMPATIBLE_AT) & EXT_HAS_JOURNAL) !== 0 ? 'ext3' : 'ext2';
}

function uuidOf(sample: Buffer): string {
  const hex = sample.toString('hex', EXT_UUID_AT, EXT_UUID_AT + 16);
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
}
