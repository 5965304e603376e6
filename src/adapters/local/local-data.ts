import { accessSync, close, constants, open as openFile } from 'node:fs';
import { delimiter, join } from 'node:path';
import { monotonicMs } from '../../base/index.ts';
import type { BlockDevice, Clock } from '../../block/index.ts';
import { BlockError } from '../../errors/index.ts';
import type { VolumeData, VolumeLocator } from '../../repositories/index.ts';
import { FileDevice } from './file-device.ts';
import { HolePuncher } from './hole-puncher.ts';
import { LOCAL_ADAPTER } from './volume-path.ts';

/** The part of a logger that this adapter needs (pino's argument order). */
export interface Warnings {
  warn(details: object, message: string): void;
}

export interface LocalVolumeDataOptions {
  /** Milliseconds, monotonic; monotonicMs unless given. */
  readonly clock?: Clock;
  readonly log: Warnings;
  /** The PATH in which to look for `fallocate`. */
  readonly path?: string;
  readonly puncher?: HolePuncher;
}

/** Opens volumes of the local adapter; one for each thread. */
export class LocalVolumeData implements VolumeData {
  readonly #clock: Clock;
  readonly #log: Warnings;
  readonly #puncher: HolePuncher;
  readonly #canPunch: boolean;
  #warned = false;

  constructor(options: LocalVolumeDataOptions) {
    this.#clock = options.clock ?? monotonicMs;
    this.#log = options.log;
    this.#puncher = options.puncher ?? new HolePuncher();
    this.#canPunch = installed('fallocate', options.path ?? process.env['PATH'] ?? '');
    if (!this.#canPunch) this.#warnOnce('fallocate (util-linux) is not installed');
  }

  async open(locator: VolumeLocator, options: { readonly write: boolean }): Promise<BlockDevice> {
    const path = locator.address['path'];
    if (locator.adapter !== LOCAL_ADAPTER || typeof path !== 'string') {
      throw new BlockError('EINVAL', 'open', 0, 0, `not a local volume: ${locator.volume}`);
    }
    const fd = await openDescriptor(path, options.write ? 'r+' : 'r');
    try {
      return new FileDevice({
        fd,
        write: options.write,
        clock: this.#clock,
        puncher: this.#puncher,
        canPunch: this.#canPunch,
        onCannotPunch: () => this.#warnOnce('the file system cannot punch holes'),
      });
    } catch (error) {
      close(fd);
      throw BlockError.from(error, 'open', 0, 0);
    }
  }

  #warnOnce(reason: string): void {
    if (this.#warned) return;
    this.#warned = true;
    this.#log.warn({ reason }, 'trimmed space is not given back to the file system');
  }
}

function openDescriptor(path: string, flags: string): Promise<number> {
  return new Promise((resolve, reject) => {
    openFile(path, flags, (error, fd) => {
      if (error === null) resolve(fd);
      else reject(BlockError.from(error, 'open', 0, 0));
    });
  });
}

function installed(name: string, path: string): boolean {
  return path.split(delimiter).some((folder) => {
    try {
      accessSync(join(folder, name), constants.X_OK);
      return folder !== '';
    } catch {
      return false;
    }
  });
}
