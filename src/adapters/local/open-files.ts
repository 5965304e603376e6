/**
 * Who has a file open, by what /proc shows: all threads of this process, and other processes as far as we may look.
 * Where there is no /proc nobody is seen.
 */
import { readdir, readFile, readlink } from 'node:fs/promises';
import { forEachOf } from '../../base/index.ts';
import { ArrayError } from '../../errors/index.ts';
import { PROCESSES_LOOKED_AT_ONCE } from './limits.ts';

/** @param path without symbolic links; @returns `program (pid)`, each once */
async function usersOf(path: string): Promise<string[]> {
  const users: string[] = [];
  const processes = (await readdir('/proc').catch(() => [])).filter((name) => /^\d+$/.test(name));
  await forEachOf(processes, PROCESSES_LOOKED_AT_ONCE, async (name) => {
    // Gone meanwhile, or not ours to look at.
    for (const fd of await readdir(`/proc/${name}/fd`).catch(() => [])) {
      if ((await readlink(`/proc/${name}/fd/${fd}`).catch(() => '')) !== path) continue;
      const program = await readFile(`/proc/${name}/comm`, 'utf8').catch(() => 'process');
      users.push(`${program.trim()} (${name})`);
      return;
    }
  });
  return users.sort();
}

/** @param what for people; @throws ArrayError IN_USE */
export async function checkUnused(path: string, what: string): Promise<void> {
  const users = await usersOf(path);
  if (users.length > 0) throw new ArrayError('IN_USE', `${what} is open`, { refs: users });
}
