/**
 * Makes an image one that boots over Rootcast, by boot/prepare.sh in a chroot. It works on a copy, which takes the
 * image's place when all went well: whatever fails, the image is as it was. Mounts are made in a mount namespace
 * of their own, so that none is left, whoever is killed.
 */
import { lstat, mkdir, rename, rm, stat } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { Fault } from '../../errors/index.ts';
import { ProgramError, runProgram } from '../demo/index.ts';
import { type ImageKind, imageKind, type Place, placesOf } from './image-kind.ts';
import { stageFiles } from './stage-files.ts';

export interface PrepareOptions {
  readonly path: string;
  /** Install packages that are missing. */
  readonly install: boolean;
  /** Told what is being done, in words for a person. */
  readonly onStep: (step: string) => void;
}

export interface Prepared {
  readonly path: string;
  readonly changed: readonly string[];
  readonly notes: readonly string[];
  readonly missing: readonly string[];
}

/** In the image, while it is prepared. */
const STAGE = '.rootcast-prepare';

/** $1: the image; $2: a folder to mount it at; $3: mount options of a file, or nothing for a folder; $4: --install, or nothing; $5: the files for it */
const IN_A_NAMESPACE = `set -eu
tree=$2
if [ -n "$3" ]; then mount -o "$3" "$1" "$tree" 2>/dev/null || exit 77; fi
[ -r "$tree/etc/os-release" ] && [ -d "$tree/boot" ] || exit 77
stage="$tree/${STAGE}"
rm -rf "$stage"; cp -r "$5" "$stage"
mount -t proc proc "$tree/proc"; mount -t sysfs sys "$tree/sys"; mount --rbind /dev "$tree/dev"
mkdir -p "$tree/run"; mount -t tmpfs run "$tree/run"
resolv="$tree/etc/resolv.conf"
if [ -n "$4" ] && [ -e /etc/resolv.conf ]; then
  [ ! -e "$resolv" ] && [ ! -L "$resolv" ] || mv "$resolv" "$stage/resolv.conf"
  cp -L /etc/resolv.conf "$resolv"
fi
status=0
chroot "$tree" "/${STAGE}/prepare.sh" $4 || status=$?
if [ -n "$4" ]; then
  rm -f "$resolv"
  [ ! -e "$stage/resolv.conf" ] && [ ! -L "$stage/resolv.conf" ] || mv "$stage/resolv.conf" "$resolv"
fi
rm -rf "$stage"
exit $status
`;
/** This partition has no system on it. */
const NO_SYSTEM = 77;

/**
 * @throws Fault PERMISSION_DENIED (not root), NOT_FOUND, IMAGE_UNSUPPORTED (with what prepare.sh says), TOOL_MISSING
 */
export async function prepareImage(options: PrepareOptions): Promise<Prepared> {
  const path = resolve(options.path);
  if (process.getuid?.() !== 0) {
    throw new Fault('PERMISSION_DENIED', 'an image is prepared by root only: it is mounted', {
      field: 'user',
      value: process.getuid?.() ?? null,
      expected: 'root (sudo rootcast image prepare …)',
    });
  }
  const kind = await imageKind(path);
  if (kind === 'folder') await refuseMountPoint(path);
  const copy = join(dirname(path), `.${STAGE.slice(1)}-${process.pid}`);
  await mkdir(copy, { mode: 0o700 });
  try {
    options.onStep(`copying ${path}`);
    const work = join(copy, 'image');
    await copyImage(path, kind, work);
    const stage = join(copy, 'files');
    await stageFiles(stage);
    const lines = await prepareCopy(work, kind === 'folder', { copy, stage, options });
    const prepared = reportOf(path, lines);
    if (prepared.changed.length > 0) {
      options.onStep('putting the copy in its place');
      await replaceImage(path, kind, { copy, work });
    }
    return prepared;
  } catch (error) {
    if (!(error instanceof ProgramError)) throw error;
    throw new Fault('IMAGE_UNSUPPORTED', `${path} cannot be prepared: ${error.message}`, {
      field: 'image',
      value: path,
    });
  } finally {
    await rm(copy, { recursive: true, force: true });
  }
}

interface Work {
  /** The folder of all that is made on the way. */
  readonly copy: string;
  readonly stage: string;
  readonly options: PrepareOptions;
}

/** @returns what prepare.sh said */
async function prepareCopy(work: string, isFolder: boolean, how: Work): Promise<readonly string[]> {
  if (isFolder) {
    const lines = await inNamespace(work, work, '', how);
    if (lines !== undefined) return lines;
  } else {
    const tree = join(how.copy, 'tree');
    await mkdir(tree);
    for (const place of await placesOf(work)) {
      const lines = await inNamespace(work, tree, loopOptions(place), how);
      if (lines !== undefined) return lines;
    }
  }
  throw unsupported(
    how.options.path,
    'no file system of it has a Linux system with /etc/os-release',
  );
}

function loopOptions({ offset, size }: Place): string {
  return `loop,offset=${offset},sizelimit=${size}`;
}

/** @returns undefined: there is no system */
async function inNamespace(
  work: string,
  tree: string,
  mountOptions: string,
  { stage, options }: Work,
): Promise<readonly string[] | undefined> {
  const lines: string[] = [];
  const install = options.install ? '--install' : '';
  let told = '';
  try {
    await runProgram(
      [
        ...['unshare', '--mount', '--propagation', 'private', '--fork', '--kill-child', '--'],
        ...['sh', '-c', IN_A_NAMESPACE, 'sh', work, tree, mountOptions, install, stage],
      ] as [string, ...string[]],
      {
        onLine: (line) => {
          if (/^(changed|same|note|missing|refused): /.test(line)) lines.push(line);
          else told = line;
          options.onStep(line);
        },
      },
    );
    return lines;
  } catch (error) {
    if (!(error instanceof ProgramError)) throw error;
    if (lines.length === 0 && error.message.includes(`exited with ${NO_SYSTEM}`)) return undefined;
    const refused = lines.find((line) => line.startsWith('refused: '));
    throw unsupported(options.path, refused?.slice('refused: '.length) ?? (told || error.message));
  }
}

async function copyImage(path: string, kind: ImageKind, to: string): Promise<void> {
  switch (kind) {
    case 'folder':
      await runProgram(['cp', '-a', '--reflink=auto', path, to]);
      return;
    case 'raw':
      await runProgram(['cp', '-p', '--reflink=auto', '--sparse=always', path, to]);
      return;
    case 'qcow2':
      await runProgram(['qemu-img', 'convert', '-O', 'raw', path, to]);
      return;
  }
}

async function replaceImage(
  path: string,
  kind: ImageKind,
  { copy, work }: { readonly copy: string; readonly work: string },
): Promise<void> {
  if (kind === 'folder') {
    // Not in the folder that is removed at the end, whatever happens.
    const old = `${path}.before-prepare-${process.pid}`;
    await rename(path, old);
    await rename(work, path).catch(async (error: unknown) => {
      await rename(old, path);
      throw error;
    });
    await rm(old, { recursive: true, force: true });
    return;
  }
  let whole = work;
  if (kind === 'qcow2') {
    whole = join(copy, 'image.qcow2');
    await runProgram(['qemu-img', 'convert', '-O', 'qcow2', work, whole]);
  }
  // Its owner and permissions stay what they were; of its content, all is on disk before the name is its.
  await runProgram(['chown', `--reference=${path}`, whole]);
  await runProgram(['chmod', `--reference=${path}`, whole]);
  await runProgram(['sync', whole]);
  await rename(whole, path);
}

async function refuseMountPoint(path: string): Promise<void> {
  const [named, own, above] = await Promise.all([lstat(path), stat(path), stat(dirname(path))]);
  if (own.dev === above.dev && !named.isSymbolicLink()) return;
  throw unsupported(path, 'it is a mount point or a link, in whose place no copy can be put');
}

function reportOf(path: string, lines: readonly string[]): Prepared {
  const said = (word: string): string[] =>
    lines.filter((line) => line.startsWith(`${word}: `)).map((line) => line.slice(word.length + 2));
  return { path, changed: said('changed'), notes: said('note'), missing: said('missing') };
}

function unsupported(path: string, why: string): Fault {
  return new Fault('IMAGE_UNSUPPORTED', `${path} cannot be prepared: ${why}; it is as it was`, {
    field: 'image',
    value: path,
    expected: 'a Debian system with a kernel and initramfs-tools or dracut',
  });
}
