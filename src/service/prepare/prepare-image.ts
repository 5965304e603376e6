/**
 * `rootcast image prepare`: makes an image one that boots over Rootcast. It works on a copy, which takes the image's
 * place when all went well: whatever fails, the image is as it was.
 */
import { mkdir, realpath, rename, rm } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { Fault } from '../../errors/index.ts';
import { ProgramError, type RunOptions, runProgram } from '../demo/index.ts';
import { checkCanPrepare, QEMU_IMG } from './can-prepare.ts';
import { type ImageKind, imageKind } from './image-kind.ts';
import { leftFolder, putBack, removeLeftovers, workFolder } from './leftovers.ts';
import { refuseMounts } from './mounts.ts';
import { type PreparedSystem, prepareSystem, unsupported } from './prepare-system.ts';
import { checkQcow2 } from './qcow2-facts.ts';

export interface PrepareOptions {
  readonly path: string;
  /** Install packages that are missing. */
  readonly install: boolean;
  /** Told what is being done, in words for a person. */
  readonly onStep: (step: string) => void;
  readonly signal?: AbortSignal;
}

export interface Prepared extends PreparedSystem {
  readonly path: string;
}

/**
 * @throws Fault PERMISSION_DENIED (not root), TOOL_MISSING, NOT_FOUND, IMAGE_UNSUPPORTED (with what prepare.sh
 *   says), CANCELLED
 */
export async function prepareImage(options: PrepareOptions): Promise<Prepared> {
  const given = resolve(options.path);
  checkCanPrepare();
  await putBack(given);
  const kind = await imageKind(given);
  // A file is replaced where it is, not where a link to it is. A folder that is a link is refused.
  const path = kind === 'folder' ? given : await realpath(given);
  await removeLeftovers(dirname(path));
  if (kind === 'qcow2') checkCanPrepare(QEMU_IMG);
  if (kind === 'folder') await refuseMounts(path);
  const copy = workFolder(path);
  const { signal = new AbortController().signal } = options;
  try {
    await mkdir(copy, { mode: 0o700 });
    return await onCopy({ path, kind, copy, options, signal });
  } catch (error) {
    if (signal.aborted) throw new Fault('CANCELLED', `${path} was not prepared; it is as it was`);
    if (!(error instanceof ProgramError)) throw error;
    throw unsupported(path, error.message);
  } finally {
    await rm(copy, { recursive: true, force: true });
  }
}

interface Job {
  readonly path: string;
  readonly kind: ImageKind;
  /** The folder of all that is made on the way, beside the image. */
  readonly copy: string;
  readonly options: PrepareOptions;
  readonly signal: AbortSignal;
}

async function onCopy(job: Job): Promise<Prepared> {
  const { path, kind, copy, options, signal } = job;
  const { onStep, install } = options;
  const told = kind === 'qcow2' ? await checkQcow2(path, { signal }) : [];
  onStep(`copying ${path}`);
  const work = join(copy, 'image');
  await copyImage(job, work);
  const folder = join(copy, 'work');
  await mkdir(folder);
  const system = await prepareSystem({
    ...{ name: path, work, folder, install, onStep, signal },
    kind: kind === 'folder' ? 'folder' : 'raw',
  });
  if (system.changed.length > 0) {
    onStep('putting the copy in its place');
    await replaceImage(job, work);
  }
  return { path, ...system, notes: [...told, ...system.notes] };
}

async function copyImage({ path, kind, signal }: Job, to: string): Promise<void> {
  const run: RunOptions = { signal };
  switch (kind) {
    case 'folder':
      await runProgram(['cp', '-a', '-x', '--reflink=auto', '--', path, to], run);
      return;
    case 'raw':
      await runProgram(['cp', '-p', '--reflink=auto', '--sparse=always', '--', path, to], run);
      return;
    case 'qcow2':
      await runProgram(['qemu-img', 'convert', '-f', 'qcow2', '-O', 'raw', path, to], run);
      return;
  }
}

async function replaceImage({ path, kind, copy, signal }: Job, work: string): Promise<void> {
  if (kind === 'folder') {
    await replaceFolder(path, work, signal);
    return;
  }
  let whole = work;
  if (kind === 'qcow2') {
    whole = join(copy, 'image.qcow2');
    const convert = ['convert', '-f', 'raw', '-O', 'qcow2'] as const;
    await runProgram(['qemu-img', ...convert, work, whole], { signal });
  }
  // Its owner and permissions stay what they were; of its content, all is on disk before the name is its.
  await runProgram(['chown', `--reference=${path}`, whole]);
  await runProgram(['chmod', `--reference=${path}`, whole]);
  await runProgram(['sync', whole]);
  signal.throwIfAborted();
  await rename(whole, path);
}

/**
 * Two renames, between which nothing has the name: `putBack` mends what a crash left there, at the next call.
 * From the first of them on it is not cancelled.
 */
async function replaceFolder(path: string, work: string, signal: AbortSignal): Promise<void> {
  // All of it is on disk before the name is its.
  await runProgram(['sync', '-f', work]);
  await refuseMounts(path);
  signal.throwIfAborted();
  // Not in the folder that is removed at the end, whatever happens.
  const old = leftFolder(path);
  await rename(path, old);
  await rename(work, path).catch(async (error: unknown) => {
    await rename(old, path);
    throw error;
  });
  // Somebody may have mounted something in it meanwhile.
  await runProgram(['rm', '-rf', '--one-file-system', '--', old]);
}
