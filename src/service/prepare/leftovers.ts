/** What a preparation leaves that was killed (`kill -9`, a crash): recognised by names that have its process in them. */
import { lstat, readdir, rename, rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';

const WORK = '.rootcast-prepare-';
const LEFT = '.before-rootcast-prepare-';

/** Where the copy of an image is worked on: beside it, so that it can take its place. */
export function workFolder(path: string): string {
  return join(dirname(path), `${WORK}${process.pid}`);
}

/** Where a folder is moved whose place the copy takes. */
export function leftFolder(path: string): string {
  return `${path}${LEFT}${process.pid}`;
}

/** Removes the half copies of processes that are gone. What is not root's is not ours. */
export async function removeLeftovers(folder: string): Promise<void> {
  for (const name of await readdir(folder).catch(() => [])) {
    if (!name.startsWith(WORK) || isAlive(name.slice(WORK.length))) continue;
    const path = join(folder, name);
    const found = await lstat(path).catch(() => undefined);
    if (found?.isDirectory() !== true || found.uid !== 0) continue;
    await rm(path, { recursive: true, force: true });
  }
}

/** A folder whose name nobody has since a crash gets it back. */
export async function putBack(path: string): Promise<void> {
  if ((await lstat(path).catch(() => undefined)) !== undefined) return;
  const prefix = `${basename(path)}${LEFT}`;
  const names = await readdir(dirname(path)).catch(() => []);
  const left = names.filter(
    (name) => name.startsWith(prefix) && !isAlive(name.slice(prefix.length)),
  );
  const [only, ...more] = left;
  if (only === undefined || more.length > 0) return;
  await rename(join(dirname(path), only), path);
}

/** Another process. One that has got the number of one that is gone keeps what that left: nothing is lost. */
function isAlive(pid: string): boolean {
  if (!/^[1-9]\d*$/.test(pid)) return true;
  if (Number(pid) === process.pid) return false;
  try {
    process.kill(Number(pid), 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code !== 'ESRCH';
  }
}
