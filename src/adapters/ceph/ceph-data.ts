/** The data port: images by way of the qemu-nbd processes that the control port keeps. */
import type { BlockDevice } from '../../block/index.ts';
import { BlockError } from '../../errors/index.ts';
import { connectNbd } from '../../nbd/index.ts';
import type {
  AdapterParts,
  AskControl,
  VolumeData,
  VolumeLocator,
} from '../../repositories/index.ts';
import { EXPORT_NAME } from './qemu-nbd.ts';
import type { Question } from './questions.ts';
import { RbdDevice, type Session } from './rbd-device.ts';
import type { Served } from './servers.ts';
import { CEPH_ADAPTER } from './settings.ts';

export class CephData implements VolumeData {
  readonly #ask: (question: Question) => Promise<Served>;
  readonly #clock: AdapterParts['clock'];
  readonly #patienceMs: number;
  readonly #sessions = new Set<Session>();
  #closed = false;

  constructor(ask: AskControl, clock: AdapterParts['clock'], patienceMs: number) {
    this.#ask = ask as (question: Question) => Promise<Served>;
    this.#clock = clock;
    this.#patienceMs = patienceMs;
  }

  async open(locator: VolumeLocator, options: { readonly write: boolean }): Promise<BlockDevice> {
    const { image, snapshot } = locator.address;
    const known = snapshot === undefined || typeof snapshot === 'number';
    if (locator.adapter !== CEPH_ADAPTER || typeof image !== 'string' || !known) {
      throw new BlockError('EINVAL', 'open', 0, 0, `not an image of RBD: ${locator.volume}`);
    }
    if (options.write && snapshot !== undefined) {
      throw new BlockError('EROFS', 'open', 0, 0, 'a snapshot cannot be written');
    }
    const served = await this.#ask({ ask: 'open', image, snapshot });
    const { server } = served;
    const release = async (): Promise<void> => {
      await this.#ask({ ask: 'release', server });
    };
    try {
      if (options.write && !served.writable) {
        throw new BlockError('EROFS', 'open', 0, 0, 'the copy of a mirrored image');
      }
      let session = await this.#connect(served);
      return new RbdDevice({
        session,
        write: options.write,
        reconnect: async (generation) => {
          this.#sessions.delete(session);
          session.client.destroy();
          if (this.#closed) throw new BlockError('EPERM', 'open', 0, 0, 'the repository is closed');
          session = await this.#connect(await this.#ask({ ask: 'again', server, generation }));
          return session;
        },
        released: async () => {
          this.#sessions.delete(session);
          await release();
        },
        patienceMs: this.#patienceMs,
        clock: this.#clock,
      });
    } catch (error) {
      await release();
      throw BlockError.from(error, 'open', 0, 0);
    }
  }

  async #connect(served: Served): Promise<Session> {
    const target = {
      address: { transport: 'unix', path: served.socket },
      exportName: EXPORT_NAME,
    } as const;
    const session = { client: await connectNbd(target), generation: served.generation };
    if (this.#closed) {
      session.client.destroy();
      throw new BlockError('EPERM', 'open', 0, 0, 'the repository is closed');
    }
    this.#sessions.add(session);
    return session;
  }

  async close(): Promise<void> {
    this.#closed = true;
    for (const { client } of this.#sessions) client.destroy();
    this.#sessions.clear();
  }
}
