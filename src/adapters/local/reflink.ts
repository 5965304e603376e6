/**
 * Copies that share blocks until one of them is written: what Btrfs and XFS (reflink=1) make of FICLONE. The copy is of
 * one moment: the file system writes back what is dirty and locks the file meanwhile, so a write of another thread
 * that has settled is in it, and one that has not is in it whole or not at all as far as it fits one call.
 */
import { constants, copyFile, open, rm } from 'node:fs/promises';
import { join } from 'node:path';

/** @throws what the system call failed with, with nothing left */
export async function reflink(from: string, to: string): Promise<void> {
  try {
    await copyFile(from, to, constants.COPYFILE_EXCL | constants.COPYFILE_FICLONE_FORCE);
  } catch (error) {
    await rm(to, { force: true });
    throw error;
  }
}

/** Found out by trying: no file system says so beforehand. @param names two that nobody uses */
export async function canReflink(
  folder: string,
  names: readonly [string, string],
): Promise<boolean> {
  const [from, to] = [join(folder, names[0]), join(folder, names[1])];
  try {
    const handle = await open(from, 'wx', 0o600);
    try {
      // Some file systems share whole blocks only, and nothing of an empty file.
      await handle.write(Buffer.alloc(64 * 1024, 1));
    } finally {
      await handle.close();
    }
    await reflink(from, to);
    return true;
  } catch (error) {
    if (CANNOT.has((error as NodeJS.ErrnoException).code ?? '')) return false;
    throw error;
  } finally {
    await rm(from, { force: true });
    await rm(to, { force: true });
  }
}

const CANNOT: ReadonlySet<string> = new Set([
  'ENOTSUP',
  'EOPNOTSUPP',
  'ENOSYS',
  'ENOTTY',
  'EINVAL',
  'EXDEV',
]);
