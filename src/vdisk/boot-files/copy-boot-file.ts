import { constants } from 'node:fs';
import { copyFile, open } from 'node:fs/promises';
import { Fault } from '../../errors/index.ts';
import { openFileSource } from '../formats/index.ts';
import { INITRD_BYTES_MAX, KERNEL_BYTES_MAX } from './limits.ts';

const MOST = { kernel: KERNEL_BYTES_MAX, initrd: INITRD_BYTES_MAX } as const;

/**
 * Takes a kernel or an initrd given by hand; durable when it settles.
 * @throws Fault NOT_FOUND, PERMISSION_DENIED, INVALID_INPUT (no file, empty, too long)
 */
export async function copyBootFile(
  path: string,
  target: string,
  field: 'kernel' | 'initrd',
): Promise<void> {
  const source = await openFileSource(path);
  await source.close();
  if (source.size === 0 || source.size > MOST[field]) {
    throw new Fault('INVALID_INPUT', `${path}: as ${field} it has ${source.size} bytes`, {
      field,
      value: path,
      expected: `a file of 1 to ${MOST[field]} bytes`,
    });
  }
  await copyFile(path, target, constants.COPYFILE_EXCL);
  const handle = await open(target, 'r+');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
