/** A disk in memory that is made larger or smaller while handles are open, each of which may learn of it late. */
import {
  type BlockDevice,
  FaultyDevice,
  type FaultyRequest,
  type InjectedFault,
  type MeasurableDevice,
  MemoryDevice,
} from '../../src/block/index.ts';

const REFUSED: InjectedFault = { errno: 'ENOSPC' };

export class ResizableDisk {
  /** With room for all that it may become. */
  readonly memory: MemoryDevice;
  /** Bytes. */
  size: number;

  constructor(size: number, most: number) {
    this.memory = new MemoryDevice({ size: most });
    this.size = size;
  }

  open(fault: (request: FaultyRequest) => InjectedFault | undefined = () => undefined): Handle {
    return new Handle(this, fault);
  }
}

/** Refuses what lies beyond the end that its way to the disk knows of, as a target does. */
export class Handle extends FaultyDevice implements MeasurableDevice {
  readonly #disk: ResizableDisk;
  readonly #seen: { bytes: number };
  override readonly geometry: BlockDevice['geometry'];
  currentSize: number;
  /** false: this way to the disk has not heard of its size yet. */
  news = true;
  measured = 0;

  constructor(disk: ResizableDisk, fault: (request: FaultyRequest) => InjectedFault | undefined) {
    const seen = { bytes: disk.size };
    super(disk.memory, (request) => {
      const beyond = request.offset + request.length > seen.bytes;
      return beyond && request.operation !== 'flush' ? REFUSED : fault(request);
    });
    this.#disk = disk;
    this.#seen = seen;
    this.geometry = Object.freeze({ ...disk.memory.geometry, size: disk.size });
    this.currentSize = disk.size;
  }

  async measure(): Promise<number> {
    this.measured += 1;
    if (this.news) this.#seen.bytes = this.#disk.size;
    this.currentSize = this.#seen.bytes;
    return this.currentSize;
  }

  override async close(): Promise<void> {}
}
