/** What is in the Debian image, as the image itself says, to compare with what a machine reads that booted from it. */
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PARTITION_OFFSET, runProgram } from '../../../src/service/demo/index.ts';

/** Folders of which nothing is written while a machine boots: 650 files, 40 MB. */
const FOLDERS = ['usr/bin', 'usr/lib/systemd'];

/** Of every file the first 16 digits of its SHA-256, and its name. */
export const SUMS = `find ${FOLDERS.join(' ')} -xdev -type f -print0 | LC_ALL=C sort -z | xargs -0 sha256sum | cut -c1-16,65-`;

/** @param disk with one partition, of ext4; @returns what SUMS says in its root folder */
export async function sumsInImage(disk: string): Promise<string> {
  const root = await mkdtemp(join(tmpdir(), 'rootcast-image-files-'));
  try {
    for (const folder of FOLDERS) {
      const above = join(root, folder, '..');
      await mkdir(above, { recursive: true });
      const dump = `rdump /${folder} ${above}`;
      await runProgram(['debugfs', '-R', dump, `${disk}?offset=${PARTITION_OFFSET}`]);
    }
    return (await runProgram(['sh', '-c', `cd ${root} && ${SUMS}`])).trimEnd();
  } finally {
    await rm(root, { recursive: true, force: true });
  }
}
