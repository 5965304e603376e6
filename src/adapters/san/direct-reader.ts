/**
 * Reads a block device past this host's page cache (O_DIRECT), so that what another host has written is seen.
 *
 * The kernel wants memory at an aligned address, and Node does not say where a buffer lies. So a buffer with room to
 * spare is made once, and the first place in it that the kernel takes is kept.
 */
import * as fs from 'node:fs';
import { BlockError } from '../../errors/index.ts';
import { BUFFER_ALIGNMENT_BYTES, DIRECT_ALIGNMENT_BYTES } from './limits.ts';

export class DirectReader {
  readonly #fd: number;
  readonly #block: Buffer;
  #turn: Promise<void> = Promise.resolve();

  private constructor(fd: number, block: Buffer) {
    this.#fd = fd;
    this.#block = block;
  }

  /** @param length bytes of every read: a multiple of the device's block. undefined: it cannot be read so */
  static open(path: string, length: number): DirectReader | undefined {
    let fd: number;
    try {
      fd = fs.openSync(path, fs.constants.O_RDONLY | fs.constants.O_DIRECT);
    } catch {
      return undefined;
    }
    const room = Buffer.from(new ArrayBuffer(length + DIRECT_ALIGNMENT_BYTES));
    for (let shift = 0; shift < DIRECT_ALIGNMENT_BYTES; shift += BUFFER_ALIGNMENT_BYTES) {
      const block = room.subarray(shift, shift + length);
      try {
        fs.readSync(fd, block, 0, length, 0);
        return new DirectReader(fd, block);
      } catch {
        // not here
      }
    }
    fs.closeSync(fd);
    return undefined;
  }

  /** One after the other: there is one buffer. @throws BlockError */
  read(target: Buffer, offset: number): Promise<void> {
    const reading = this.#turn.then(() => this.#read(target, offset));
    this.#turn = reading.catch(() => undefined);
    return reading;
  }

  async close(): Promise<void> {
    await this.#turn;
    fs.closeSync(this.#fd);
  }

  #read(target: Buffer, offset: number): Promise<void> {
    const block = this.#block;
    return new Promise((resolve, reject) => {
      fs.read(this.#fd, block, 0, block.length, offset, (error, count) => {
        if (error === null && count === target.length) {
          block.copy(target);
          resolve();
          return;
        }
        const cause = error ?? new Error(`read ${count} of ${target.length} bytes`);
        reject(BlockError.from(cause, 'read', offset, target.length));
      });
    });
  }
}
