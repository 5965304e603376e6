import { open } from 'node:fs/promises';

/**
 * A file's content, or a folder's new and removed names, survive the death of the host only after this.
 * @throws what the file system says
 */
export async function syncPath(path: string): Promise<void> {
  const handle = await open(path, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
