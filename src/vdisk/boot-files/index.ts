/** Kernel, initrd and root of an image. Read first: find-boot-files.ts. */
export type { BootFiles, Initramfs } from './boot-files.ts';
export { copyBootFile } from './copy-boot-file.ts';
export { diskOfDevice } from './disk-of-device.ts';
export { type FindBootFilesOptions, findBootFiles } from './find-boot-files.ts';
export { INITRD_BYTES_MAX } from './limits.ts';
export { type Partition, readPartitions } from './partition-table.ts';
