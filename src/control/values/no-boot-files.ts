import type { BootFileNames } from '../ports.ts';

/** Of a disk of which nobody knows how it boots. */
export const NO_BOOT_FILES: BootFileNames = {
  kernel: undefined,
  initrd: undefined,
  rootPartition: '',
  rootFilesystem: undefined,
  initramfs: 'unknown',
  given: false,
};
