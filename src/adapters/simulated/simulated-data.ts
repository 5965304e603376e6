import { type BlockDevice, ReadOnlyDevice } from '../../block/index.ts';
import { BlockError } from '../../errors/index.ts';
import type {
  AskControl,
  Connection,
  VolumeData,
  VolumeLocator,
} from '../../repositories/index.ts';
import { SIMULATED_ADAPTER } from './array-session.ts';
import type { OpenAnswer, Question } from './questions.ts';
import { type KnownChunks, SimulatedDevice } from './simulated-device.ts';

/** Opens what a simulated array holds, in the thread that made it. */
export class SimulatedData implements VolumeData {
  readonly #connection: Connection;
  readonly #ask: AskControl;
  readonly #chunks: KnownChunks = [];
  readonly #open = new Set<SimulatedDevice>();

  constructor(connection: Connection, ask: AskControl) {
    this.#connection = connection;
    this.#ask = ask;
  }

  async open(locator: VolumeLocator, options: { readonly write: boolean }): Promise<BlockDevice> {
    const { initiatorName, settings, secrets } = this.#connection;
    const { array, id } = locator.address;
    if (locator.adapter !== SIMULATED_ADAPTER || array !== settings['target']) {
      throw new BlockError('EINVAL', 'open', 0, 0, `not a volume of this array: ${locator.volume}`);
    }
    const user = settings['chapuser'];
    const password = secrets['chappassword'];
    const knows = typeof user === 'string' && password !== undefined;
    const question: Question = {
      ask: 'open',
      object: String(id),
      write: options.write,
      initiator: initiatorName,
      chap: knows ? { user, password } : undefined,
    };
    const answer = await this.#question(question);
    const device = new SimulatedDevice(this.#ask, answer, this.#chunks);
    this.#open.add(device);
    const close = device.close.bind(device);
    device.close = async () => {
      this.#open.delete(device);
      await close();
    };
    return options.write ? device : new ReadOnlyDevice(device);
  }

  async close(): Promise<void> {
    for (const device of [...this.#open]) await device.close().catch(() => undefined);
  }

  async #question(question: Question): Promise<OpenAnswer> {
    try {
      return (await this.#ask(question)) as OpenAnswer;
    } catch (error) {
      throw BlockError.from(error, 'open', 0, 0);
    }
  }
}
