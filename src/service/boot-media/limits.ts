/** The file system of the EFI part of a boot medium: shim and GRUB take 5 MiB. */
export const EFI_IMAGE_BYTES = 8 * 1024 * 1024;
/** One run of xorriso or mtools, on a machine that has other work. */
export const MEDIUM_TOOL_MS = 60_000;
/** What such a program may say. */
export const MEDIUM_TOOL_OUTPUT_BYTES = 1024 * 1024;
/** The port of a boot server that is named without one. */
export const DEFAULT_BOOT_HTTP_PORT = 8_481;
