/**
 * Who else has files of a folder open for writing.
 *
 * A service that was killed may leave a `fallocate` behind that has not punched its hole yet. Were the
 * volumes opened at once, the hole could be punched into a write that was acknowledged meanwhile. So
 * whoever takes a folder over first waits until nobody else can change it.
 */
import { readdir, readFile, readlink, realpath } from 'node:fs/promises';
import { sep } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { OTHER_WRITERS_POLL_MS } from './limits.ts';

export interface OtherWriter {
  readonly pid: number;
  readonly program: string;
}

/** Those that /proc shows to us; none where there is no /proc. */
async function findOtherWriter(folder: string): Promise<OtherWriter | undefined> {
  for (const name of await readdir('/proc').catch(() => [])) {
    const pid = Number(name);
    if (!Number.isInteger(pid) || pid === process.pid) continue;
    // Gone meanwhile, or not ours to look at.
    for (const fd of await readdir(`/proc/${name}/fd`).catch(() => [])) {
      const path = await readlink(`/proc/${name}/fd/${fd}`).catch(() => '');
      if (!path.startsWith(folder + sep)) continue;
      const info = await readFile(`/proc/${name}/fdinfo/${fd}`, 'utf8').catch(() => '');
      const flags = Number.parseInt(/^flags:\s*([0-7]+)$/m.exec(info)?.[1] ?? '0', 8);
      if ((flags & 3) === 0) continue; // O_RDONLY
      const program = await readFile(`/proc/${name}/comm`, 'utf8').catch(() => '');
      return { pid, program: program.trim() };
    }
  }
  return undefined;
}

/** @returns who still writes there after `limitMs`; undefined: nobody */
export async function untilNobodyWrites(
  folder: string,
  limitMs: number,
): Promise<OtherWriter | undefined> {
  const real = await realpath(folder);
  for (let waited = 0; ; waited += OTHER_WRITERS_POLL_MS) {
    const writer = await findOtherWriter(real);
    if (writer === undefined || waited >= limitMs) return writer;
    await sleep(OTHER_WRITERS_POLL_MS);
  }
}
