/** Kernel and initrd of a layer: out of its disk, or those of another layer. */
import { constants } from 'node:fs';
import { copyFile, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { syncPath } from '../../base/index.ts';
import type { ReadableBlockDevice } from '../../block/index.ts';
import { type BootFiles, findBootFiles } from '../boot-files/index.ts';
import { INITRD_FILE, KERNEL_FILE, type LayerFiles } from './layer-files.ts';
import { BOOT_FILES_TIME_MAX } from './limits.ts';

/**
 * Looks for kernel and initrd inside of a disk and copies them into the layer's folder.
 * @param signal cancels the search; what it found is then not to be believed
 * @param limit ends the search; BOOT_FILES_TIME_MAX unless given
 */
export async function takeBootFiles(
  disk: ReadableBlockDevice,
  files: LayerFiles,
  signal: AbortSignal,
  limit: AbortSignal = AbortSignal.timeout(BOOT_FILES_TIME_MAX),
): Promise<BootFiles> {
  const found = await findBootFiles(disk, {
    extract: { kernel: join(files.boot, KERNEL_FILE), initrd: join(files.boot, INITRD_FILE) },
    signal: AbortSignal.any([signal, limit]),
  });
  return {
    ...found,
    kernel: found.kernel === undefined ? undefined : KERNEL_FILE,
    initrd: found.initrd === undefined ? undefined : INITRD_FILE,
  };
}

/** Copies what another layer has; durable when it settles. */
export async function copyBootFiles(from: LayerFiles, to: LayerFiles): Promise<void> {
  for (const name of await readdir(from.boot)) {
    const target = join(to.boot, name);
    await copyFile(join(from.boot, name), target, constants.COPYFILE_EXCL);
    await syncPath(target);
  }
}
