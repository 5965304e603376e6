/** The data port: opens LUNs of a repository; one for each thread. LUNs of one target share its sessions. */
import type { BlockDevice } from '../../block/index.ts';
import { IscsiDataPort, REAL_TIME } from '../../iscsi/index.ts';
import type { AdapterParts, VolumeData, VolumeLocator } from '../../repositories/index.ts';
import { lunAddressOf } from './locator.ts';
import { type IscsiConnection, type IscsiSettings, iscsiSettings } from './settings.ts';

export class IscsiVolumeData implements VolumeData {
  readonly #settings: IscsiSettings;
  readonly #port: IscsiDataPort;

  /** @throws ArrayError INVALID_ARGUMENT */
  constructor(connection: IscsiConnection, { log, clock }: AdapterParts) {
    this.#settings = iscsiSettings(connection);
    this.#port = new IscsiDataPort({ log, timers: { ...REAL_TIME, now: clock } });
  }

  /** @throws BlockError of operation `open`; ESTALE: it is another disk than the locator says */
  open(locator: VolumeLocator, options: { readonly write: boolean }): Promise<BlockDevice> {
    const { portals, iqn, lun, wwid } = lunAddressOf(locator);
    return this.#port.open({
      ...accessOf(this.#settings),
      portals,
      iqn,
      lun,
      expectWwid: wwid,
      ...options,
    });
  }

  close(): Promise<void> {
    return this.#port.close();
  }
}

/** What every session of a repository has in common. */
export function accessOf({
  initiatorName,
  chap,
  patienceMs,
  headerDigest,
  dataDigest,
}: IscsiSettings) {
  return {
    initiatorName,
    headerDigest,
    dataDigest,
    ...(chap === undefined ? {} : { chap }),
    ...(patienceMs === undefined ? {} : { patienceMs }),
  };
}
