/** The data port of carved devices: one for each thread. */
import type { BlockDevice } from '../../block/index.ts';
import { isMeasurable, ReadOnlyDevice } from '../../block/index.ts';
import { BlockError } from '../../errors/index.ts';
import type { AskControl } from '../adapter.ts';
import type { VolumeData, VolumeLocator } from '../ports.ts';
import { CarvedDevice } from './carved-device.ts';
import { DeviceReach } from './device-reach.ts';
import { readSuperblocks } from './metadata-io.ts';
import { OwnerLease } from './owner-lease.ts';
import { type CarvedQuestion, type OpenedVolume, readOpened } from './questions.ts';
import { DeviceWords, VolumeWords } from './shared-words.ts';

export interface CarvedVolumeDataOptions {
  /**
   * Opens the whole device for reading and writing, in this thread. Where it may keep changes for long before it makes
   * them, it asks `stillOurs` then, and lets those fail for which that throws ESTALE.
   */
  readonly openDevice: (
    locator: VolumeLocator,
    stillOurs: () => Promise<void>,
  ) => Promise<BlockDevice>;
  readonly ask: AskControl;
  /** Milliseconds, monotonic. */
  readonly clock: () => number;
}

/** The device as this thread has it open, for all volumes of one attach. */
interface SharedDevice {
  /** Of the attach. The shared memory itself is another object in every answer. */
  readonly attachToken: string;
  readonly device: BlockDevice;
  readonly reach: DeviceReach;
  readonly words: DeviceWords;
  readonly lease: OwnerLease;
  /** Volumes that are open through it. */
  users: number;
}

class CarvedVolumeData implements VolumeData {
  readonly #options: CarvedVolumeDataOptions;
  #shared: Promise<SharedDevice> | undefined;
  #renewing: Promise<void> | undefined;

  constructor(options: CarvedVolumeDataOptions) {
    this.#options = options;
  }

  async open(locator: VolumeLocator, options: { readonly write: boolean }): Promise<BlockDevice> {
    const question: CarvedQuestion = { kind: 'open', volume: locator.volume };
    const opened = await this.#ask(question);
    let shared: SharedDevice;
    try {
      shared = await this.#share(opened, locator);
    } catch (error) {
      new VolumeWords(opened.volumeWords).addOpen(-1);
      throw BlockError.from(error, 'open', 0, 0);
    }
    const { device, reach, words, lease } = shared;
    const volume = new CarvedDevice({
      volume: locator.volume,
      opened,
      device,
      reach,
      words,
      lease,
      renewLease: () => this.#renew(lease),
      ask: this.#options.ask,
      onClosed: () => this.#leave(shared),
    });
    return options.write ? volume : new ReadOnlyDevice(volume);
  }

  async close(): Promise<void> {
    const shared = this.#shared;
    this.#shared = undefined;
    await shared?.then(
      ({ device }) => device.close(),
      () => undefined,
    );
  }

  async #ask(question: CarvedQuestion): Promise<OpenedVolume> {
    try {
      const opened = readOpened(await this.#options.ask(question));
      if (opened !== undefined) return opened;
    } catch (error) {
      throw BlockError.from(error, 'open', 0, 0);
    }
    throw new BlockError('EIO', 'open', 0, 0, 'no answer to a question');
  }

  /** The device that is open, if it is the same one, of the same attach and no smaller than it must be. */
  async #share(opened: OpenedVolume, locator: VolumeLocator): Promise<SharedDevice> {
    for (;;) {
      const current = this.#shared;
      if (current === undefined) break;
      const shared = await current.catch(() => undefined);
      const fits =
        shared?.attachToken === opened.attachToken && mayHave(shared.device, opened.deviceSize);
      if (fits && this.#shared === current) {
        shared.users += 1;
        return shared;
      }
      // Volumes that are open keep it until they are closed.
      if (this.#shared === current) this.#shared = undefined;
    }
    const opening = this.#openDevice(opened, locator);
    this.#shared = opening;
    const shared = await opening;
    shared.users += 1;
    return shared;
  }

  async #openDevice(opened: OpenedVolume, locator: VolumeLocator): Promise<SharedDevice> {
    const words = new DeviceWords(opened.deviceWords);
    const lease = new OwnerLease(words, this.#options.clock);
    const stillOurs = async (): Promise<void> => {
      if (!lease.holds()) await this.#renew(lease);
    };
    const device = await this.#options.openDevice(locator, stillOurs);
    try {
      const { size } = device.geometry;
      const { newest } = await readSuperblocks((to, offset) => device.read(to, offset), size);
      if (newest?.formatId !== opened.formatId || !mayHave(device, opened.deviceSize)) {
        throw new BlockError('ESTALE', 'open', 0, 0, 'this is another device');
      }
    } catch (error) {
      await device.close();
      throw error;
    }
    const { attachToken } = opened;
    const reach = new DeviceReach(device, words, this.#options.clock);
    return { attachToken, device, reach, words, lease, users: 0 };
  }

  async #leave(shared: SharedDevice): Promise<void> {
    shared.users -= 1;
    if (shared.users > 0) return;
    if ((await this.#shared?.catch(() => undefined)) === shared) {
      if (shared.users > 0) return; // opened again meanwhile
      this.#shared = undefined;
    }
    if (shared.users === 0) await shared.device.close();
  }

  async #renew(lease: OwnerLease): Promise<void> {
    this.#renewing ??= this.#askForLease(lease).finally(() => {
      this.#renewing = undefined;
    });
    await this.#renewing;
  }

  async #askForLease(lease: OwnerLease): Promise<void> {
    const asked = this.#options.clock();
    try {
      const question: CarvedQuestion = { kind: 'verify' };
      await this.#options.ask(question);
    } catch (error) {
      throw BlockError.from(error, 'write', 0, 0);
    }
    lease.renewed(asked);
  }
}

/** Whether it has so many bytes, or may come to have them: each request looks whether it does (DeviceReach). */
function mayHave(device: BlockDevice, bytes: number): boolean {
  return isMeasurable(device) || device.geometry.size >= bytes;
}

/** Opens volumes of a device that `attachCarved` has attached, in the thread that calls it. */
export function carvedVolumeData(options: CarvedVolumeDataOptions): VolumeData {
  return new CarvedVolumeData(options);
}
