/** A repository in memory, all in the test's hands. */
import { type BlockDevice, MemoryDevice, PLAIN, ReadOnlyDevice } from '../../src/block/index.ts';
import { BlockError, Fault } from '../../src/errors/index.ts';
import type {
  Volume,
  VolumeControl,
  VolumeData,
  VolumeLocator,
} from '../../src/repositories/index.ts';
import { handle } from './overlays.ts';

export class MemoryRepository {
  readonly devices = new Map<string, BlockDevice>();
  free = 2 ** 50;
  /** Handles that are open. */
  open = 0;
  /** What a new volume is. */
  make: (size: number) => BlockDevice = (size) => new MemoryDevice({ size, minimumIo: 512 });
  /** Put around every handle. */
  wrap: (device: BlockDevice, volume: string) => BlockDevice = (device) => device;
  /** Handles for writing that were ever opened, by volume. */
  readonly openedForWriting: string[] = [];

  readonly control: VolumeControl = {
    createVolume: async ({ id, size }) => {
      if (this.devices.has(id)) throw new Fault('ALREADY_EXISTS', `there is a volume ${id}`);
      this.devices.set(id, this.make(size));
      return this.#volume(id);
    },
    deleteVolume: async (id) => {
      if (!this.devices.delete(id)) throw new Fault('NOT_FOUND', `no volume ${id}`);
    },
    showVolume: async (id) => this.#volume(id),
    listVolumes: async () => [...this.devices.keys()].map((id) => this.#volume(id)),
    space: async () => ({ total: 2 ** 50, free: this.free }),
  };

  readonly data: VolumeData = {
    open: async ({ volume }, { write }) => {
      const device = this.devices.get(volume);
      if (device === undefined) throw new BlockError('EIO', 'open', 0, 0, `no volume ${volume}`);
      if (write) this.openedForWriting.push(volume);
      this.open += 1;
      const own = handle(device);
      own.close = async () => {
        this.open -= 1;
      };
      const wrapped = this.wrap(own, volume);
      return write ? wrapped : new ReadOnlyDevice(wrapped);
    },
  };

  locator(volume: string): VolumeLocator {
    return { adapter: 'memory', volume, address: {} };
  }

  get(volume: string): BlockDevice {
    const device = this.devices.get(volume);
    if (device === undefined) throw new Error(`no volume ${volume}`);
    return device;
  }

  async contentOf(volume: string): Promise<Buffer> {
    const device = this.get(volume);
    const content = Buffer.alloc(device.geometry.size);
    await device.read(content, 0);
    return content;
  }

  /** The repository as it is now. */
  async snapshot(): Promise<MemoryRepository> {
    const copy = new MemoryRepository();
    for (const [volume, { geometry }] of this.devices) {
      const device = new MemoryDevice({ size: geometry.size, minimumIo: geometry.minimumIo });
      device.write(await this.contentOf(volume), 0, PLAIN);
      copy.devices.set(volume, device);
    }
    return copy;
  }

  #volume(id: string): Volume {
    const { size } = this.get(id).geometry;
    return { id, size, allocated: 0, locator: this.locator(id) };
  }
}
