/**
 * Builds the Debian disk of the demo and of the boot tests: a GPT disk with one ext4 partition, made
 * from Debian packages with mmdebstrap, sfdisk and mke2fs only (no loop device, no mount of the disk).
 * The result is kept under the user's cache folder, named by its recipe; it appears there by one rename.
 */
import { randomBytes } from 'node:crypto';
import {
  chmod,
  copyFile,
  mkdir,
  open,
  realpath,
  rename,
  rm,
  stat,
  writeFile,
} from 'node:fs/promises';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';
import { debianReleaseOfThisMachine } from './apt-sources.ts';
import { type ImageInitramfs, type ImageRecipe, imageRecipe } from './debian-recipe.ts';
import { type RunOptions, runProgram } from './run-program.ts';

export interface DebianImage {
  readonly folder: string;
  /** The raw, sparse disk. Never written to after it was built: import it, do not boot from it. */
  readonly disk: string;
  /** Copies of the image's own boot files, for machines started without a network boot. */
  readonly kernel: string;
  readonly initrd: string;
}

export interface ImageOptions {
  /** What builds its initramfs. Default: initramfs-tools. */
  readonly initramfs?: ImageInitramfs;
  readonly cacheFolder?: string;
  /** Told what is being done, in words for a person. */
  readonly onStep?: (step: string) => void;
  readonly signal?: AbortSignal;
}

/** Everything in the image gets this time (seconds since the epoch), so that two builds are alike. */
const SOURCE_DATE_EPOCH = '1700000000';
const DISK_ID = '5f0c7a3e-52c1-4d0b-9a56-726f6f746361';

/** `${XDG_CACHE_HOME:-$HOME/.cache}/rootcast-test` */
export function imageCacheFolder(): string {
  const base = process.env['XDG_CACHE_HOME'];
  return join(
    base === undefined || base === '' ? join(homedir(), '.cache') : base,
    'rootcast-test',
  );
}

/** The image from the cache, built first if it is not there. Takes about a minute when it is not. */
export async function ensureDebianImage(options: ImageOptions = {}): Promise<DebianImage> {
  const release = await debianReleaseOfThisMachine();
  const recipe = await imageRecipe(release.codename, options.initramfs ?? 'initramfs-tools');
  const cache = options.cacheFolder ?? imageCacheFolder();
  const folder = join(cache, `debian-${release.codename}-${recipe.hash.slice(0, 16)}`);
  const image: DebianImage = {
    folder,
    disk: join(folder, 'disk.img'),
    kernel: join(folder, 'vmlinuz'),
    initrd: join(folder, 'initrd.img'),
  };
  if (await exists(image.disk)) return image;
  const work = `${folder}.${process.pid}.${randomBytes(4).toString('hex')}.building`;
  await mkdir(work, { recursive: true });
  try {
    await build(work, recipe, release.sources, options);
    await publish(work, folder);
  } finally {
    await rm(work, { recursive: true, force: true });
  }
  return image;
}

async function build(
  work: string,
  recipe: ImageRecipe,
  sources: readonly string[],
  options: ImageOptions,
): Promise<void> {
  const step = options.onStep ?? (() => undefined);
  const run: RunOptions = {
    environment: { SOURCE_DATE_EPOCH, LC_ALL: 'C.UTF-8', DEBIAN_FRONTEND: 'noninteractive' },
    ...(options.signal === undefined ? {} : { signal: options.signal }),
  };
  const tree = join(work, 'tree');
  await writeFiles(join(work, 'files'), recipe);
  step('downloading and unpacking Debian packages');
  await runProgram(debootstrapCommand(work, tree, recipe), {
    ...run,
    input: `${sources.join('\n')}\n`,
    onLine: (line) => {
      const [, told] = /^I: (installing .*|extracting .*)$/.exec(line) ?? [];
      if (told !== undefined) step(told.replace(/\.+$/, ''));
    },
  });
  step('writing the disk');
  const disk = join(work, 'disk.img');
  await writeDisk(disk, tree, recipe, run);
  await copyFile(await realpath(join(tree, 'vmlinuz')), join(work, 'vmlinuz'));
  await copyFile(await realpath(join(tree, 'initrd.img')), join(work, 'initrd.img'));
  await rm(tree, { recursive: true, force: true });
  await rm(join(work, 'files'), { recursive: true, force: true });
}

function debootstrapCommand(
  work: string,
  tree: string,
  recipe: ImageRecipe,
): [string, ...string[]] {
  const quoted = (path: string): string => `'${path.replaceAll("'", "'\\''")}'`;
  return [
    'mmdebstrap',
    '--mode=root',
    '--variant=minbase',
    `--include=${recipe.packages.join(',')}`,
    '--aptopt=Apt::Install-Recommends "false"',
    ...['man', 'doc', 'info', 'locale'].map(
      (name) => `--dpkgopt=path-exclude=/usr/share/${name}/*`,
    ),
    `--essential-hook=sync-in ${quoted(join(work, 'files'))} /`,
    ...recipe.finish.map((command) => `--customize-hook=${command}`),
    '', // the suite follows from the sources, which come on standard input
    tree,
    '-',
  ];
}

async function writeFiles(folder: string, recipe: ImageRecipe): Promise<void> {
  for (const file of recipe.files) {
    const path = join(folder, file.path);
    await mkdir(dirname(path), { recursive: true });
    await writeFile(path, file.content);
    await chmod(path, file.mode);
  }
}

async function writeDisk(
  disk: string,
  tree: string,
  recipe: ImageRecipe,
  run: RunOptions,
): Promise<void> {
  const handle = await open(disk, 'w');
  await handle.truncate(recipe.diskBytes);
  await handle.close();
  const start = recipe.partitionOffset / 512;
  const table = `label: gpt\nlabel-id: ${DISK_ID}\nstart=${start}, type=linux, name=root\n`;
  await runProgram(['sfdisk', '--quiet', disk], { ...run, input: table });
  // The backup table takes the last 33 sectors; leave as much at the end as at the start.
  const kib = (recipe.diskBytes - 2 * recipe.partitionOffset) / 1024;
  const extended = `offset=${recipe.partitionOffset},hash_seed=${recipe.fileSystemId},lazy_itable_init=0,lazy_journal_init=0`;
  const fileSystem = ['-q', '-F', '-t', 'ext4', '-L', 'root', '-U', recipe.fileSystemId, '-m', '0'];
  const size = ['-b', '4096', '-J', 'size=16', '-E', extended, '-d', tree, disk, `${kib}k`];
  await runProgram(['mke2fs', ...fileSystem, ...size], run);
}

/** Another process may have built the same image meanwhile; either is as good. */
async function publish(work: string, folder: string): Promise<void> {
  try {
    await rename(work, folder);
  } catch (error) {
    if (!(await exists(join(folder, 'disk.img')))) throw error;
  }
}

async function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}
