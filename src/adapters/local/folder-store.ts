/**
 * The objects of a repository's folder: each a file and its sidecar. Which there are is read from the folder once and
 * kept; after anything that failed it is read again, so that a retry sees what became of the first try.
 */
import { readdir } from 'node:fs/promises';
import { ArrayError } from '../../errors/index.ts';
import { makeFile, regularFile, removeFile, writeText } from './durable-files.ts';
import { readSidecar, SIDECAR_ENDING, type Sidecar, textOf } from './sidecar.ts';

export interface Stored<S extends Sidecar = Sidecar> {
  /** Name in the folder. */
  readonly file: string;
  readonly sidecar: S;
}

export class FolderStore {
  readonly folder: string;
  #objects: Promise<Map<string, Stored>> | undefined;
  /** Files whose sidecars cannot be understood: left alone, and told. */
  readonly damaged = new Set<string>();

  /** @param folder without symbolic links */
  constructor(folder: string) {
    this.folder = folder;
  }

  async all<K extends Sidecar['kind']>(
    kind: K,
  ): Promise<Stored<Extract<Sidecar, { readonly kind: K }>>[]> {
    type Wanted = Stored<Extract<Sidecar, { readonly kind: K }>>;
    const isWanted = (stored: Stored): stored is Wanted => stored.sidecar.kind === kind;
    return [...(await this.#read()).values()].filter(isWanted);
  }

  async get(id: string): Promise<Stored | undefined> {
    return (await this.#read()).get(id);
  }

  /** Files of the folder that could be volumes and have no sidecar. */
  async strangers(): Promise<string[]> {
    const names = new Set(await readdir(this.folder));
    return [...names].sort().filter((name) => {
      const candidate = /^[A-Za-z0-9][A-Za-z0-9._-]*$/.test(name) && !name.endsWith(SIDECAR_ENDING);
      return candidate && !names.has(name + SIDECAR_ENDING);
    });
  }

  /** @throws ArrayError ALREADY_EXISTS_DIFFERENT when a file of that name is there; what `fill` throws */
  async make(file: string, sidecar: Sidecar, fill: (path: string) => Promise<void>): Promise<void> {
    await this.#reading(async () => {
      await this.#writeNew(file, sidecar);
      try {
        await makeFile({ folder: this.folder, file }, false, fill).catch(taken(file));
      } catch (error) {
        await removeFile(this.folder, file + SIDECAR_ENDING);
        throw error;
      }
    });
    (await this.#read()).set(sidecar.id, { file, sidecar });
  }

  /** A sidecar for a file that is there. @throws ArrayError ALREADY_EXISTS_DIFFERENT */
  async describe(file: string, sidecar: Sidecar): Promise<void> {
    await this.#reading(() => this.#writeNew(file, sidecar));
    (await this.#read()).set(sidecar.id, { file, sidecar });
  }

  /** Another sidecar for the same object. */
  async change({ file }: Stored, sidecar: Sidecar): Promise<void> {
    const path = { folder: this.folder, file: file + SIDECAR_ENDING };
    await this.#reading(() => writeText(path, true, textOf(sidecar)));
    (await this.#read()).set(sidecar.id, { file, sidecar });
  }

  /** The file first: without it the sidecar is a leftover, and never the other way round. */
  async remove({ file, sidecar }: Stored): Promise<void> {
    await this.#reading(async () => {
      await removeFile(this.folder, file);
      await removeFile(this.folder, file + SIDECAR_ENDING);
    });
    (await this.#read()).delete(sidecar.id);
  }

  /**
   * What a death in the middle of `make` or `remove` left. Only while nobody makes anything.
   * @returns the files whose descriptions were removed, because they are not there
   */
  async removeLeftovers(): Promise<string[]> {
    const removed: string[] = [];
    for (const name of await readdir(this.folder)) {
      if (!name.endsWith(SIDECAR_ENDING)) continue;
      const file = name.slice(0, -SIDECAR_ENDING.length);
      if ((await regularFile(this.folder, file)) !== undefined) continue;
      const sidecar = await readSidecar(this.folder, name);
      // What cannot be understood may be somebody else's.
      if (sidecar === undefined || sidecar === 'unreadable') continue;
      await removeFile(this.folder, name);
      removed.push(file);
    }
    this.#objects = undefined;
    return removed;
  }

  /** Runs what changes the folder; when it fails nothing is known for sure any more. */
  async #reading(work: () => Promise<void>): Promise<void> {
    try {
      await work();
    } catch (error) {
      this.#objects = undefined;
      throw error;
    }
  }

  async #writeNew(file: string, sidecar: Sidecar): Promise<void> {
    const path = { folder: this.folder, file: file + SIDECAR_ENDING };
    await writeText(path, false, textOf(sidecar)).catch(taken(file));
  }

  #read(): Promise<Map<string, Stored>> {
    this.#objects ??= this.#load().catch((error: unknown) => {
      this.#objects = undefined;
      throw error;
    });
    return this.#objects;
  }

  async #load(): Promise<Map<string, Stored>> {
    const objects = new Map<string, Stored>();
    this.damaged.clear();
    const names = new Set(await readdir(this.folder));
    for (const name of [...names].sort()) {
      const file = name.slice(0, -SIDECAR_ENDING.length);
      if (!name.endsWith(SIDECAR_ENDING) || !names.has(file)) continue;
      const sidecar = await readSidecar(this.folder, name);
      if (sidecar === 'unreadable') this.damaged.add(file);
      else if (sidecar !== undefined) objects.set(sidecar.id, { file, sidecar });
    }
    return objects;
  }
}

function taken(file: string): (error: NodeJS.ErrnoException) => never {
  return (error) => {
    if (error.code !== 'EEXIST') throw error;
    throw new ArrayError('ALREADY_EXISTS_DIFFERENT', `there is another ${file}`, { cause: error });
  };
}
