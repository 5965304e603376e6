/**
 * The volumes of a repository: in its folder, for each a file with the data (ID.img) and one that describes it
 * (ID.json), and ID.secret where CHAP is used. tgtd forgets everything when it ends; these files are what targets are
 * made from, and what is true.
 *
 * A volume exists when its description does: the data is made before, and removed after it. Data without a description
 * is what a death left behind.
 */
import { randomBytes } from 'node:crypto';
import { mkdir, open, readdir, readFile, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { ArrayError } from '../../errors/index.ts';

export interface HostMapping {
  readonly host: string;
  readonly iqns: readonly string[];
  readonly mode: 'rw' | 'ro';
  /** Users of CHAP; their passwords are kept apart. */
  readonly user: string | undefined;
  readonly mutualUser: string | undefined;
}

export interface StoredVolume {
  readonly id: string;
  readonly tag: string | undefined;
  readonly name: string;
  readonly size: number;
  readonly thin: boolean;
  /** The target's number: part of what tgt calls the disk, so it stays the same. */
  readonly tid: number;
  readonly iqn: string;
  readonly mappings: readonly HostMapping[];
}

/** Passwords by user. */
export type Passwords = Readonly<Record<string, string>>;

interface Marker {
  readonly repositoryId: string;
  /** Names of initiators that are cut off. */
  readonly fenced: readonly string[];
}

const ID = /^[0-9a-f]{24}$/;
const MARKER = 'rootcast.json';

export class VolumeStore {
  readonly #folder: string;
  readonly #volumes = new Map<string, StoredVolume>();
  #marker: Marker;

  private constructor(folder: string, marker: Marker) {
    this.#folder = folder;
    this.#marker = marker;
  }

  /** The repository that lives in the folder; undefined: none does. */
  static async repositoryOf(folder: string): Promise<string | undefined> {
    const marker = await readOptional(join(folder, MARKER));
    return marker === undefined ? undefined : (JSON.parse(marker) as Marker).repositoryId;
  }

  /** @throws ArrayError ALREADY_MANAGED, NOT_FOUND (it is nobody's), PERMISSION_DENIED */
  static async open(folder: string, repositoryId: string, create: boolean): Promise<VolumeStore> {
    try {
      if (create) await mkdir(folder, { recursive: true, mode: 0o750 });
      const marker = await readOptional(join(folder, MARKER));
      if (marker === undefined && !create) {
        throw new ArrayError('NOT_FOUND', `${folder} holds no repository yet`);
      }
      const found: Marker =
        marker === undefined ? { repositoryId, fenced: [] } : (JSON.parse(marker) as Marker);
      if (found.repositoryId !== repositoryId) {
        const message = `${folder} holds another repository`;
        throw new ArrayError('ALREADY_MANAGED', message, { value: found.repositoryId });
      }
      const store = new VolumeStore(folder, found);
      if (marker === undefined) await store.#write(MARKER, found);
      await store.#load();
      return store;
    } catch (error) {
      throw storeError(error, `cannot use the folder ${folder}`);
    }
  }

  get all(): readonly StoredVolume[] {
    return [...this.#volumes.values()].sort((a, b) => (a.id < b.id ? -1 : 1));
  }

  get fenced(): readonly string[] {
    return this.#marker.fenced;
  }

  get(id: string): StoredVolume | undefined {
    return this.#volumes.get(id);
  }

  newId(): string {
    return randomBytes(12).toString('hex');
  }

  dataPath(id: string): string {
    return join(this.#folder, `${id}.img`);
  }

  /** Bytes that the data occupies. */
  async allocated(id: string): Promise<number> {
    return (await stat(this.dataPath(id))).blocks * 512;
  }

  /** New, or as it is from now on; on stable storage. */
  async put(volume: StoredVolume): Promise<void> {
    await this.#write(`${volume.id}.json`, volume);
    this.#volumes.set(volume.id, volume);
  }

  async remove(id: string): Promise<void> {
    await rm(join(this.#folder, `${id}.json`), { force: true });
    await this.#sync();
    this.#volumes.delete(id);
    await rm(join(this.#folder, `${id}.secret`), { force: true });
    await rm(this.dataPath(id), { force: true });
  }

  async setFenced(fenced: readonly string[]): Promise<void> {
    const marker = { ...this.#marker, fenced };
    await this.#write(MARKER, marker);
    this.#marker = marker;
  }

  async passwords(id: string): Promise<Passwords> {
    const text = await readOptional(join(this.#folder, `${id}.secret`));
    return text === undefined ? {} : (JSON.parse(text) as Passwords);
  }

  async setPasswords(id: string, passwords: Passwords): Promise<void> {
    if (Object.keys(passwords).length > 0) await this.#write(`${id}.secret`, passwords);
    else await rm(join(this.#folder, `${id}.secret`), { force: true });
  }

  async #load(): Promise<void> {
    const names = await readdir(this.#folder);
    for (const name of names) {
      const id = name.replace(/\.json$/, '');
      if (!name.endsWith('.json') || !ID.test(id)) continue;
      const volume = JSON.parse(await readFile(join(this.#folder, name), 'utf8')) as StoredVolume;
      this.#volumes.set(id, volume);
    }
    for (const name of names) {
      const [, id = ''] = /^([0-9a-f]{24})\.(img|secret)$/.exec(name) ?? [];
      if (id !== '' && !this.#volumes.has(id)) await rm(join(this.#folder, name), { force: true });
    }
  }

  /** All of it or nothing, whatever dies meanwhile. */
  async #write(name: string, content: object): Promise<void> {
    const path = join(this.#folder, name);
    const handle = await open(`${path}.new`, 'w', 0o600);
    try {
      await handle.writeFile(JSON.stringify(content));
      await handle.sync();
    } finally {
      await handle.close();
    }
    await rename(`${path}.new`, path);
    await this.#sync();
  }

  async #sync(): Promise<void> {
    const handle = await open(this.#folder, 'r');
    try {
      await handle.sync();
    } finally {
      await handle.close();
    }
  }
}

async function readOptional(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

const CODES: Readonly<Record<string, ArrayError['code']>> = {
  ENOENT: 'NOT_FOUND',
  ENOSPC: 'NO_SPACE',
  EDQUOT: 'QUOTA',
  EFBIG: 'OUT_OF_RANGE',
  EACCES: 'PERMISSION_DENIED',
  EPERM: 'PERMISSION_DENIED',
  EROFS: 'PERMISSION_DENIED',
};

/** Of the file system. */
export function storeError(error: unknown, what: string): ArrayError {
  if (error instanceof ArrayError) return error;
  const { code, message } = error as NodeJS.ErrnoException;
  const details = { nativeMessage: message, cause: error };
  return new ArrayError(CODES[code ?? ''] ?? 'BACKEND_BUG', `${what}: ${message}`, details);
}
