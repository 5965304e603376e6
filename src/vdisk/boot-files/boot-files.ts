/** What a boot plan needs to know of an image. */
export type Initramfs = 'initramfs-tools' | 'dracut' | 'unknown';

export interface BootFiles {
  /** Name of the kernel; undefined when there is none that we can read. */
  readonly kernel: string | undefined;
  readonly initrd: string | undefined;
  /** E.g. `6.1.0-18-amd64`; '' when the name has none. */
  readonly kernelVersion: string | undefined;
  /** `p1`, `p2` …; '' when the whole disk is the file system, or the root was not found. */
  readonly rootPartition: string;
  /** `ext4`, `xfs` …; undefined when the root was not found. */
  readonly rootFilesystem: string | undefined;
  /** As `blkid` prints it; of ext file systems only. */
  readonly rootUuid: string | undefined;
  readonly initramfs: Initramfs;
  /** Why there is no kernel; undefined when there is one. */
  readonly reason: string | undefined;
}
