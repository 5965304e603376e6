import { createHash } from 'node:crypto';
import { open } from 'node:fs/promises';
import { join } from 'node:path';
import type { BundleFile } from './bundle-head.ts';
import { violation } from './bundle-record.ts';
import type { RecordReader } from './record-reader.ts';

/**
 * Takes the boot files out of a bundle.
 * @returns the path of each, by its SHA-256 in hex
 * @throws Fault IMAGE_INVALID
 */
export async function receiveBootFiles(
  reader: RecordReader,
  files: readonly BundleFile[],
  folder: string,
): Promise<ReadonlyMap<string, string>> {
  const paths = new Map<string, string>();
  for (const file of files) {
    const path = join(folder, file.sha256);
    await receiveFile(reader, file, path);
    paths.set(file.sha256, path);
  }
  return paths;
}

async function receiveFile(reader: RecordReader, file: BundleFile, path: string): Promise<void> {
  const handle = await open(path, 'wx', 0o600);
  try {
    const hash = createHash('sha256');
    for (let done = 0; done < file.size; ) {
      const piece = await reader.next('file');
      done += piece.length;
      if (done > file.size) {
        throw reader.fault(violation(`boot file ${file.sha256}`, done, `${file.size} bytes`));
      }
      hash.update(piece);
      await handle.appendFile(piece);
    }
    const found = hash.digest('hex');
    if (found !== file.sha256) {
      throw reader.fault(violation('SHA-256 of a boot file', found, file.sha256));
    }
  } finally {
    await handle.close();
  }
}
