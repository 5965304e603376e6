/**
 * Which volume has which tag. Read from the sidecars once, then kept: nobody else writes there while the repository is
 * ours. After a lost answer it is read again.
 */
import { forEachOf } from '../../base/index.ts';
import { FILES_AT_ONCE, FOLDER_ENTRIES } from './limits.ts';
import type { RepositoryFiles } from './repository-file.ts';
import type { NfsShare } from './share/share.ts';
import { isVolumeFile, parseSidecar, type Sidecar, sidecarFile } from './volume-files.ts';
import type { FolderEntry } from './wire/attributes.ts';

export class VolumeIndex {
  readonly #share: NfsShare;
  readonly #files: RepositoryFiles;
  #sidecars: Map<string, Sidecar> | undefined;
  #byTag = new Map<string, string>();

  constructor(share: NfsShare, files: RepositoryFiles) {
    this.#share = share;
    this.#files = files;
  }

  /** The file of a tag. */
  async fileOf(tag: string): Promise<string | undefined> {
    if (this.#sidecars === undefined) await this.#read();
    return this.#byTag.get(tag);
  }

  async sidecarOf(file: string): Promise<Sidecar | undefined> {
    if (this.#sidecars === undefined) await this.#read();
    return this.#sidecars?.get(file);
  }

  /** All image files of the folder, by name. */
  async imageFiles(): Promise<readonly FolderEntry[]> {
    const entries = await this.#share.list(FOLDER_ENTRIES);
    return entries
      .filter(({ name }) => isVolumeFile(name))
      .sort((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0));
  }

  set(file: string, sidecar: Sidecar | undefined): void {
    const before = this.#sidecars?.get(file);
    const tag = before?.tag;
    if (tag !== undefined && this.#byTag.get(tag) === file) this.#byTag.delete(tag);
    if (sidecar === undefined) this.#sidecars?.delete(file);
    else this.#sidecars?.set(file, sidecar);
    if (sidecar?.tag !== undefined) this.#byTag.set(sidecar.tag, file);
  }

  /** What is known may not be what is there. */
  forget(): void {
    this.#sidecars = undefined;
    this.#byTag = new Map();
  }

  async #read(): Promise<void> {
    const sidecars = new Map<string, Sidecar>();
    const entries = await this.#share.list(FOLDER_ENTRIES);
    const names = new Set(entries.map(({ name }) => name));
    const found = [...names].flatMap((name) => {
      const file = name.slice(0, -sidecarFile('').length);
      return isVolumeFile(file) && sidecarFile(file) === name ? [file] : [];
    });
    await forEachOf(found, FILES_AT_ONCE, async (file) => {
      const content = await this.#files.read(sidecarFile(file));
      const sidecar = content === undefined ? undefined : parseSidecar(content);
      if (sidecar !== undefined) sidecars.set(file, sidecar);
    });
    this.#sidecars = sidecars;
    this.#byTag = new Map();
    for (const [file, { tag }] of sidecars) if (tag !== undefined) this.#byTag.set(tag, file);
  }
}
