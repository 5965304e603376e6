/**
 * When the service is killed: after a time, or when its work on a layer has left a certain trace on the disk.
 * Each is looked for without a pause, so that the signal comes within the step that follows.
 */
import { existsSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { setImmediate, setTimeout as sleep } from 'node:timers/promises';

/** What there was before the work began. */
export class DiskWatch {
  readonly #data: string;
  readonly #layers: ReadonlySet<string>;
  readonly #volumes: ReadonlySet<string>;

  constructor(data: string) {
    this.#data = data;
    this.#layers = new Set(this.layers());
    this.#volumes = new Set(this.volumes());
  }

  layers(): string[] {
    return readdirSync(join(this.#data, 'layers'));
  }

  volumes(): string[] {
    return readdirSync(join(this.#data, 'repository'));
  }

  /** The folder of a layer that is being made or removed. */
  half(): string | undefined {
    const name = this.layers().find((layer) => /\.(sealing|partial)$/.test(layer));
    return name === undefined ? undefined : join(this.#data, 'layers', name);
  }

  isHalf(): boolean {
    return this.half() !== undefined;
  }

  /** A file of it. */
  has(file: string): boolean {
    const half = this.half();
    return half !== undefined && existsSync(join(half, file));
  }

  /** A new volume of so many bytes really written. */
  hasGrown(bytes: number): boolean {
    return this.volumes().some((name) => {
      if (this.#volumes.has(name)) return false;
      const stat = statSync(join(this.#data, 'repository', name), { throwIfNoEntry: false });
      return (stat?.blocks ?? 0) * 512 >= bytes;
    });
  }

  /** A new layer has its final name. */
  isRenamed(): boolean {
    return this.layers().some((name) => !/\./.test(name) && !this.#layers.has(name));
  }

  /** A volume of before is gone. */
  isAnyVolumeGone(): boolean {
    const now = new Set(this.volumes());
    return [...this.#volumes].some((name) => !now.has(name));
  }
}

export interface Moment {
  readonly name: string;
  readonly isReached: (watch: DiskWatch) => boolean;
}

export const BEGUN: Moment = { name: 'a folder is made', isReached: (disk) => disk.isHalf() };
export const MAP: Moment = { name: 'the map is written', isReached: (disk) => disk.has('map') };
export const MANIFEST: Moment = {
  name: 'the manifest is written',
  isReached: (disk) => disk.has('manifest'),
};
export const RENAMED: Moment = {
  name: 'the layer has its name',
  isReached: (disk) => disk.isRenamed(),
};
export const VOLUME_GONE: Moment = {
  name: 'a volume is gone',
  isReached: (disk) => disk.isAnyVolumeGone(),
};
export const grown = (bytes: number): Moment => ({
  name: `${bytes} bytes are written`,
  isReached: (disk) => disk.hasGrown(bytes),
});

/** Settles at the moment, or when it has not come for too long. @returns whether it came */
export async function until(moment: Moment, watch: DiskWatch, longestMs: number): Promise<boolean> {
  const end = performance.now() + longestMs;
  while (!moment.isReached(watch)) {
    if (performance.now() > end) return false;
    await setImmediate();
  }
  return true;
}

export async function after(milliseconds: number): Promise<boolean> {
  await sleep(milliseconds);
  return true;
}
