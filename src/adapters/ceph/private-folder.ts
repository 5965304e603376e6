/**
 * What an attached repository keeps on this server: a folder of mode 0700 in the system's temporary folder, with
 * ceph.conf, the keyring (0600), and the sockets of its qemu-nbd processes, each with a note of its pid and of its
 * addresses in the cluster.
 *
 * A service that died leaves its folder, and its qemu-nbd processes running. The next attach of the same repository
 * finds them by the folder's name, ends them, and says which clients of the cluster they were, so that these can be
 * put on the blocklist before anybody writes again.
 */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { mkdtemp, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** A qemu-nbd process, as noted beside its socket. */
export interface ServerNote {
  readonly pid: number;
  /** Addresses of its clients, as `rbd status` names watchers. */
  readonly watchers: readonly string[];
}

const OWNER = 'owner';
const NOTE = /^[0-9]+\.json$/;

export class PrivateFolder {
  readonly path: string;

  private constructor(path: string) {
    this.path = path;
  }

  /** @param text.conf without its keyring's path, which is added */
  static async make(
    repositoryId: string,
    text: { readonly conf: string; readonly keyring: string | undefined; readonly user: string },
  ): Promise<PrivateFolder> {
    const path = await mkdtemp(join(tmpdir(), prefixOf(repositoryId)));
    const folder = new PrivateFolder(path);
    try {
      await folder.#write(OWNER, `${process.pid} ${startOf(process.pid) ?? ''}\n`);
      let { conf } = text;
      if (text.keyring !== undefined) {
        await folder.#write('keyring', text.keyring);
        conf += `\n[client.${text.user}]\nkeyring = ${join(path, 'keyring')}\n`;
      }
      await folder.#write('ceph.conf', conf);
    } catch (error) {
      await folder.remove();
      throw error;
    }
    return folder;
  }

  get conf(): string {
    return join(this.path, 'ceph.conf');
  }

  socketPath(index: number): string {
    return join(this.path, `${index}.sock`);
  }

  async note(index: number, note: ServerNote): Promise<void> {
    const name = `${index}.json`;
    await this.#write(`${name}.new`, JSON.stringify(note));
    await rename(join(this.path, `${name}.new`), join(this.path, name));
  }

  async forget(index: number): Promise<void> {
    await rm(join(this.path, `${index}.json`), { force: true });
    await rm(this.socketPath(index), { force: true });
  }

  async remove(): Promise<void> {
    await rm(this.path, { recursive: true, force: true });
  }

  async #write(name: string, content: string): Promise<void> {
    await writeFile(join(this.path, name), content, { mode: 0o600 });
  }

  /** Ends what dead services have left of this repository. @returns the addresses of the clients that were ended */
  static async clearDead(repositoryId: string): Promise<readonly string[]> {
    const prefix = prefixOf(repositoryId);
    const watchers: string[] = [];
    for (const name of await readdir(tmpdir())) {
      if (!name.startsWith(prefix)) continue;
      const path = join(tmpdir(), name);
      const owner = await stat(path).catch(() => undefined); // gone since
      if (owner?.uid !== process.getuid?.() || (await ownerLives(path))) continue;
      for (const file of (await readdir(path)).filter((each) => NOTE.test(each))) {
        watchers.push(...(noteOf(await readFile(join(path, file), 'utf8'))?.watchers ?? []));
      }
      // Found by this folder in their arguments: one that had just been started is not noted yet.
      for (const pid of await readdir('/proc')) {
        if (/^[0-9]+$/.test(pid) && commandLine(Number(pid)).includes(`${path}/`)) end(Number(pid));
      }
      await rm(path, { recursive: true, force: true });
    }
    return watchers;
  }
}

function prefixOf(repositoryId: string): string {
  const hash = createHash('sha256').update(repositoryId).digest('hex').slice(0, 12);
  return `rootcast-ceph-${hash}-`;
}

/** It is there: then its processes are its own business. */
async function ownerLives(path: string): Promise<boolean> {
  const [pid, start] = (await readFile(join(path, OWNER), 'utf8').catch(() => ''))
    .trim()
    .split(' ');
  if (pid === undefined || pid === '') return false;
  const now = startOf(Number(pid));
  return now !== undefined && now === start;
}

/** When a process began, in the kernel's ticks (proc(5), stat, field 22): with the pid, it names a process for good. */
function startOf(pid: number): string | undefined {
  try {
    const line = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return line.slice(line.lastIndexOf(')') + 2).split(' ')[19];
  } catch {
    return undefined;
  }
}

function end(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // It has ended by itself.
  }
}

function commandLine(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8');
  } catch {
    return '';
  }
}

function noteOf(json: string): ServerNote | undefined {
  try {
    const { pid, watchers } = JSON.parse(json) as Partial<ServerNote>;
    if (!Number.isSafeInteger(pid) || !Array.isArray(watchers)) return undefined;
    return { pid: Number(pid), watchers: watchers.map(String) };
  } catch {
    return undefined;
  }
}
