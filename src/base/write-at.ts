import type { FileHandle } from 'node:fs/promises';

/** Writes all of the bytes. `write` alone may write fewer, when the disk is nearly full. */
export async function writeAt(handle: FileHandle, bytes: Buffer, position: number): Promise<void> {
  for (let done = 0; done < bytes.length; ) {
    const left = bytes.length - done;
    const { bytesWritten } = await handle.write(bytes, done, left, position + done);
    done += bytesWritten;
  }
}
