/** One machine of a job: its connections, what its disk must hold, and the check at the end. */
import { type BlockDevice, PLAIN } from '../../src/block/index.ts';
import { BLOCK } from './content.ts';
import type { DiskModel } from './disk-model.ts';
import type { OpenDisk } from './open-disk.ts';
import { checkRead, type Disk, type Script, Slot } from './slot.ts';

/** Longest run of neighbouring blocks that is read back at once. */
const READ_BACK_BLOCKS = 64;

export class Machine implements Disk {
  readonly name: string;
  readonly model: DiskModel;
  readonly #disk: OpenDisk;

  constructor(name: string, model: DiskModel, disk: OpenDisk) {
    this.name = name;
    this.model = model;
    this.#disk = disk;
  }

  get devices(): readonly BlockDevice[] {
    return this.#disk.devices;
  }

  get size(): number {
    return this.#first.geometry.size;
  }

  get canFlush(): boolean {
    return this.#first.capabilities.flush;
  }

  get canWrite(): boolean {
    return this.#first.capabilities.write;
  }

  get #first(): BlockDevice {
    const [first] = this.#disk.devices;
    if (first === undefined) throw new Error(`${this.name} has no connection`);
    return first;
  }

  /** So many slots on each connection, each with a script of its own or the same for all. */
  slots(perConnection: number, longest: number, start: number, script: () => Script): Slot[] {
    return this.devices.flatMap((device, connection) =>
      Array.from({ length: perConnection }, (_, slot) => {
        const index = connection * perConnection + slot;
        return new Slot(index, device, this, script(), longest, start);
      }),
    );
  }

  /** Lets go of a part of the disk, where it can; what is there then, nobody knows until it is written. */
  async discard(offset: number, bytes: number): Promise<void> {
    if (!this.#first.capabilities.trim) return;
    const length = Math.min(this.size - offset, bytes);
    await this.#first.trim(offset, length, PLAIN);
    this.model.forget(offset, length);
  }

  /** Reads again everything that was written and can be known. @throws Error at a difference */
  async readBack(): Promise<void> {
    const blocks = this.model.writtenBlocks();
    const buffer = Buffer.allocUnsafe(READ_BACK_BLOCKS * BLOCK);
    for (let at = 0; at < blocks.length; ) {
      const first = blocks[at] ?? 0;
      let run = 1;
      while (run < READ_BACK_BLOCKS && blocks[at + run] === first + run) run += 1;
      const part = buffer.subarray(0, run * BLOCK);
      await this.#first.read(part, first * BLOCK);
      checkRead(this, part, first * BLOCK);
      at += run;
    }
  }

  close(): Promise<void> {
    return this.#disk.close();
  }
}
