/** The data port: LUNs by an iSCSI initiator, which is given. */
import type { BlockDevice } from '../../block/index.ts';
import { BlockError } from '../../errors/index.ts';
import type {
  AdapterParts,
  AskControl,
  Connection,
  VolumeData,
  VolumeLocator,
} from '../../repositories/index.ts';
import type { ChapAccount, OwnPath } from './own-paths.ts';
import { readSettings, TGT_ADAPTER } from './settings.ts';

/** What this adapter asks of an initiator (IscsiDataPort of src/iscsi is one). */
export interface OpenLun {
  readonly portals: readonly string[];
  readonly iqn: string;
  readonly lun: number;
  readonly initiatorName: string;
  readonly chap?: ChapAccount & { readonly mutual?: ChapAccount };
  readonly expectWwid: string;
  readonly patienceMs: number;
  readonly write: boolean;
}

/** One for each thread. */
export interface Initiator {
  /** @throws BlockError of operation `open` */
  open(request: OpenLun): Promise<BlockDevice>;
  close(): Promise<void>;
}

export type MakeInitiator = (parts: AdapterParts) => Initiator;

export class TgtData implements VolumeData {
  readonly #connection: Connection;
  readonly #initiator: Initiator;
  readonly #ask: AskControl;
  readonly #patienceMs: number;

  constructor(connection: Connection, initiator: Initiator, ask: AskControl) {
    this.#connection = connection;
    this.#initiator = initiator;
    this.#ask = ask;
    this.#patienceMs = readSettings(connection).patienceMs;
  }

  async open(locator: VolumeLocator, options: { readonly write: boolean }): Promise<BlockDevice> {
    const { portals, iqn, lun, wwid } = locator.address;
    const known = typeof portals === 'string' && typeof iqn === 'string';
    if (locator.adapter !== TGT_ADAPTER || !known || typeof lun !== 'number') {
      throw new BlockError('EINVAL', 'open', 0, 0, `not a volume of tgt: ${locator.volume}`);
    }
    const about = { volume: locator.volume, write: options.write };
    const { chap } = (await this.#ask({ ask: 'open', ...about })) as OwnPath;
    const release = async (): Promise<void> => {
      await this.#ask({ ask: 'release', ...about });
    };
    try {
      const device = await this.#initiator.open({
        ...{ portals: portals.split(' '), iqn, lun, expectWwid: String(wwid) },
        initiatorName: this.#connection.initiatorName,
        ...(chap === undefined ? {} : { chap: withoutGaps(chap) }),
        ...{ patienceMs: this.#patienceMs, write: options.write },
      });
      return releasing(device, release);
    } catch (error) {
      await release().catch(() => undefined);
      throw BlockError.from(error, 'open', 0, 0);
    }
  }

  close(): Promise<void> {
    return this.#initiator.close();
  }
}

function withoutGaps({
  mutual,
  ...account
}: NonNullable<OwnPath['chap']>): NonNullable<OpenLun['chap']> {
  return mutual === undefined ? account : { ...account, mutual };
}

/** The device itself; closing it also says that it is not needed any more, once. */
function releasing(device: BlockDevice, release: () => Promise<void>): BlockDevice {
  const close = device.close.bind(device);
  let closing: Promise<void> | undefined;
  device.close = () => {
    closing ??= close().finally(release);
    return closing;
  };
  return device;
}
