import { type FileHandle, mkdir, open, readdir, stat, statfs, unlink } from 'node:fs/promises';
import { forEachOf, syncPath } from '../../base/index.ts';
import { MAXIMUM_DEVICE_BYTES } from '../../block/index.ts';
import { Fault, type FaultCode } from '../../errors/index.ts';
import {
  checkVolumeId,
  type RepositorySpace,
  type Volume,
  type VolumeControl,
} from '../../repositories/index.ts';
import { OTHER_WRITERS_WAIT_MS, VOLUMES_SHOWN_AT_ONCE } from './limits.ts';
import { untilNobodyWrites } from './other-writers.ts';
import { LOCAL_ADAPTER, VOLUME_ENDING, volumePath } from './volume-path.ts';

/** A folder of sparse files, one a volume. */
export class LocalVolumeControl implements VolumeControl {
  readonly #folder: string;

  private constructor(folder: string) {
    this.#folder = folder;
  }

  /**
   * Makes the folder if there is none, and waits until no other process writes there.
   * @throws Fault IN_USE when one still does after `waitMs`; PERMISSION_DENIED, NO_SPACE
   */
  static async attach(
    folder: string,
    options: { readonly waitMs?: number } = {},
  ): Promise<LocalVolumeControl> {
    try {
      await mkdir(folder, { recursive: true, mode: 0o750 });
    } catch (error) {
      throw faultOf(error, `cannot use the folder ${folder}`);
    }
    const writer = await untilNobodyWrites(folder, options.waitMs ?? OTHER_WRITERS_WAIT_MS);
    if (writer !== undefined) {
      const message = `process ${writer.pid} (${writer.program}) writes to files in ${folder}`;
      throw new Fault('IN_USE', message, { field: 'repository', value: folder });
    }
    return new LocalVolumeControl(folder);
  }

  async createVolume(volume: { readonly id: string; readonly size: number }): Promise<Volume> {
    const { id, size } = volume;
    checkVolumeId(id);
    if (!Number.isSafeInteger(size) || size < 1 || size > MAXIMUM_DEVICE_BYTES) {
      throw new Fault('INVALID_INPUT', `a volume cannot have ${size} bytes`, {
        field: 'volume.size',
        value: size,
        expected: `1 to ${MAXIMUM_DEVICE_BYTES}`,
      });
    }
    const path = volumePath(this.#folder, id);
    let handle: FileHandle;
    try {
      handle = await open(path, 'wx', 0o640);
    } catch (error) {
      throw faultOf(error, `cannot create volume ${id}`);
    }
    try {
      await handle.truncate(size);
      await handle.sync();
      await syncPath(this.#folder);
    } catch (error) {
      await unlink(path);
      throw faultOf(error, `cannot create volume ${id}`);
    } finally {
      await handle.close();
    }
    return this.showVolume(id);
  }

  async deleteVolume(id: string): Promise<void> {
    checkVolumeId(id);
    try {
      await unlink(volumePath(this.#folder, id));
      await syncPath(this.#folder);
    } catch (error) {
      throw faultOf(error, `cannot delete volume ${id}`);
    }
  }

  async showVolume(id: string): Promise<Volume> {
    checkVolumeId(id);
    const path = volumePath(this.#folder, id);
    try {
      const { size, blocks } = await stat(path);
      const locator = { adapter: LOCAL_ADAPTER, volume: id, address: { path } };
      return { id, size, allocated: blocks * 512, locator };
    } catch (error) {
      throw faultOf(error, `cannot find volume ${id}`);
    }
  }

  async listVolumes(): Promise<readonly Volume[]> {
    const ids = (await readdir(this.#folder))
      .sort()
      .filter((name) => name.endsWith(VOLUME_ENDING))
      .map((name) => name.slice(0, -VOLUME_ENDING.length));
    const volumes = new Map<string, Volume>();
    await forEachOf(ids, VOLUMES_SHOWN_AT_ONCE, async (id) => {
      try {
        volumes.set(id, await this.showVolume(id));
      } catch (error) {
        // Deleted since the folder was read, or a file that is none of ours.
        if (!(error instanceof Fault) || !IGNORED_IN_LISTS.has(error.code)) throw error;
      }
    });
    return ids.flatMap((id) => volumes.get(id) ?? []);
  }

  async space(): Promise<RepositorySpace> {
    const { bsize, blocks, bavail } = await statfs(this.#folder);
    return { total: blocks * bsize, free: bavail * bsize };
  }
}

const IGNORED_IN_LISTS: ReadonlySet<FaultCode> = new Set(['NOT_FOUND', 'INVALID_INPUT']);

const CODES: Readonly<Record<string, FaultCode>> = {
  ENOENT: 'NOT_FOUND',
  EEXIST: 'ALREADY_EXISTS',
  ENOSPC: 'NO_SPACE',
  EDQUOT: 'NO_SPACE',
  EFBIG: 'LIMIT_EXCEEDED',
  EACCES: 'PERMISSION_DENIED',
  EPERM: 'PERMISSION_DENIED',
  EROFS: 'PERMISSION_DENIED',
};

function faultOf(error: unknown, what: string): Fault {
  const code = (error as NodeJS.ErrnoException).code ?? '';
  const detail = error instanceof Error ? error.message : String(error);
  return new Fault(CODES[code] ?? 'INTERNAL', `${what}: ${detail}`, {}, { cause: error });
}
