import { open } from 'node:fs/promises';

/** A file of at most `size` bytes: fewer when it has become shorter. */
export async function readWhole(path: string, size: number): Promise<Buffer> {
  await using file = await open(path, 'r');
  const content = Buffer.alloc(size);
  let at = 0;
  while (at < size) {
    const { bytesRead } = await file.read(content, at, size - at, at);
    if (bytesRead === 0) break;
    at += bytesRead;
  }
  return content.subarray(0, at);
}
