/**
 * Files that are there whole or not at all after the death of the host: written under another name, on stable
 * storage, then named, then the folder too.
 */
import { randomUUID } from 'node:crypto';
import { link, lstat, open, readdir, rename, rm, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { syncPath } from '../../base/index.ts';

/** Begins the names of files that are being made. What is left of them is removed when the folder is attached. */
export const UNFINISHED = '.rootcast-unfinished-';

/**
 * Makes a file by `fill` under an unfinished name, then names it; nothing is left when something fails.
 * @param replace whether a file of that name may be there; else EEXIST is thrown
 */
export async function makeFile(
  path: { readonly folder: string; readonly file: string },
  replace: boolean,
  fill: (unfinished: string) => Promise<void>,
): Promise<void> {
  const unfinished = join(path.folder, UNFINISHED + randomUUID());
  const final = join(path.folder, path.file);
  let named = false;
  try {
    await fill(unfinished);
    await syncPath(unfinished);
    if (replace) {
      await rename(unfinished, final);
    } else {
      await link(unfinished, final); // unlike rename it refuses to take the place of another
      named = true;
      await unlink(unfinished);
    }
    await syncPath(path.folder);
  } catch (error) {
    await rm(unfinished, { force: true });
    if (named) await rm(final, { force: true });
    throw error;
  }
}

/** @param replace as of `makeFile` */
export async function writeText(
  path: { readonly folder: string; readonly file: string },
  replace: boolean,
  text: string,
): Promise<void> {
  await makeFile(path, replace, async (unfinished) => {
    const handle = await open(unfinished, 'wx', 0o640);
    try {
      await handle.writeFile(text);
    } finally {
      await handle.close();
    }
  });
}

/** One that is gone is fine. */
export async function removeFile(folder: string, file: string): Promise<void> {
  await rm(join(folder, file), { force: true });
  await syncPath(folder);
}

export async function removeUnfinished(folder: string): Promise<void> {
  for (const name of await readdir(folder)) {
    if (name.startsWith(UNFINISHED)) await rm(join(folder, name), { force: true });
  }
}

/** A regular file's state; undefined: there is none, or it is a link or something else. */
export async function regularFile(folder: string, file: string) {
  const state = await lstat(join(folder, file), { bigint: true }).catch(ignoreMissing);
  return state?.isFile() ? state : undefined;
}

export function ignoreMissing(error: NodeJS.ErrnoException): undefined {
  if (error.code === 'ENOENT') return undefined;
  throw error;
}
