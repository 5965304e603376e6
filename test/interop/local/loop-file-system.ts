/** A file system of a test's own: on a file, through a loop device, mounted in a temporary folder. */
import { access, constants, mkdir, mkdtemp, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { succeed } from '../../support/run-program.ts';

/** The least that mkfs.xfs makes, and some. */
const IMAGE_BYTES = 512 * 1024 ** 2;

export const MAKE = {
  btrfs: ['mkfs.btrfs', '--quiet', '--mixed'],
  xfs: ['mkfs.xfs', '-q', '-m', 'reflink=1'],
  ext4: ['mkfs.ext4', '-q', '-m', '0'],
} as const;

export interface LoopFileSystem {
  /** Where it is mounted. */
  readonly path: string;
  /** An empty folder in it. */
  readonly here: string;
  remount(options: string): Promise<void>;
  remove(): Promise<void>;
}

export async function loopFileSystem(
  kind: keyof typeof MAKE,
  size = IMAGE_BYTES,
): Promise<LoopFileSystem> {
  // In memory where there is such a folder: every call of the adapter waits for stable storage.
  const memory = await access('/dev/shm', constants.W_OK).then(
    () => '/dev/shm',
    () => tmpdir(),
  );
  const folder = await mkdtemp(join(memory, `rootcast-loop-${kind}-`));
  const [image, path] = [join(folder, 'image'), join(folder, 'mounted')];
  const here = join(path, 'here');
  const [program, ...options] = MAKE[kind];
  try {
    await writeFile(image, '');
    await truncate(image, size);
    await succeed(program, [...options, image]);
    await mkdir(path);
    await succeed('mount', ['-o', 'loop', image, path]);
    await mkdir(here);
  } catch (error) {
    await rm(folder, { recursive: true, force: true });
    throw error;
  }
  return {
    path,
    here,
    remount: async (how) => {
      await succeed('mount', ['-o', `remount,${how}`, path]);
    },
    remove: async () => {
      await succeed('umount', [path]);
      await rm(folder, { recursive: true, force: true });
    },
  };
}
