/** The boot laboratory (a Debian image, a private network, QEMU machines) and the demo that shows it. */
export {
  type DebianImage,
  ensureDebianImage,
  type ImageOptions,
} from './debian-image.ts';
export { BOOT_FOLDER, type ImageInitramfs, imageFiles, PARTITION_OFFSET } from './debian-recipe.ts';
export { isInstalled } from './demo-needs.ts';
export { FULL_DHCP, LabService } from './lab-service.ts';
export { type Drive, EMULATED_KERNEL_ARGUMENTS, type Firmware, Machine } from './machine.ts';
export { NetworkNamespace, SERVER_ADDRESS } from './namespace.ts';
export { runDemo } from './run-demo.ts';
export { ProgramError, type RunOptions, runProgram } from './run-program.ts';
export type { SerialConsole } from './serial-console.ts';
