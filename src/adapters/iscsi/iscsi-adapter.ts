/**
 * A LUN of any array, without control of the array: reached by our own initiator, over all its portals, and carved into
 * volumes (src/repositories/carved). The control thread and each worker have sessions of their own.
 */
import type { BlockDevice } from '../../block/index.ts';
import { IscsiDataPort, portalText, REAL_TIME } from '../../iscsi/index.ts';
import {
  type Adapter,
  type AdapterParts,
  type ArrayControl,
  type AskControl,
  attachCarved,
  type CarvedControl,
  type CheckOptions,
  type CheckReport,
  type Connection,
  carvedSettings,
  carvedVolumeData,
  fsckCarved,
  type VolumeData,
  type VolumeLocator,
} from '../../repositories/index.ts';
import { accessOf } from './access.ts';
import { initiatorCapabilities } from './capabilities.ts';
import { openLun } from './iscsi-lun.ts';
import { ISCSI_ADAPTER, lunAddressOf } from './locator.ts';
import { probeIscsi } from './probe.ts';
import { ISCSI_SETTINGS, iscsiSettings } from './settings.ts';

export const iscsiAdapter: Adapter = {
  kind: ISCSI_ADAPTER,
  description: 'A LUN of an iSCSI array, carved into volumes',
  settings: ISCSI_SETTINGS,
  probe: probeIscsi,
  attach: attachLun,
  check: checkLun,
  openData: (connection, parts, ask) => new LunData(connection, parts, ask),
};

async function attachLun(
  connection: Connection,
  parts: AdapterParts,
  options: Parameters<Adapter['attach']>[2],
): Promise<ArrayControl> {
  let control: CarvedControl | undefined;
  const { signal } = options;
  const { repositoryId } = connection;
  // Until carving knows whose the LUN is, nobody can tell.
  let stillOurs = async (): Promise<void> => undefined;
  const lun = await openLun(connection, parts, {
    ...{ repositoryId, write: true, signal },
    stillOurs: () => stillOurs(),
    // Before it is attached nobody has taken its size for anything.
    onResize: () => control?.noticeSize(),
  });
  try {
    const { vendor, product, revision: version, serial, device, locator } = lun;
    control = await attachCarved({
      ...{ device, connection, parts, options, adapterKind: ISCSI_ADAPTER },
      onOwned: (verify) => {
        stillOurs = verify;
      },
      ...carvedSettings(connection.settings),
      giveUp: lun.giveUp,
      locatorAddress: locator.address,
      description: { vendor, product, version, serial },
      below: {
        capabilities: initiatorCapabilities(lun.chapEnforced),
        health: () => lun.health(),
        close: () => lun.close(),
      },
    });
    control.noticeSize(); // it may have changed meanwhile
    return control;
  } catch (error) {
    await lun.close();
    throw error;
  }
}

async function checkLun(
  connection: Connection,
  parts: AdapterParts,
  { repair, force, signal }: CheckOptions,
): Promise<CheckReport> {
  const { repositoryId, initiatorName: owner } = connection;
  // Until it is repaired nothing is changed that could wait.
  let stillOurs = async (): Promise<void> => undefined;
  const lun = await openLun(connection, parts, {
    ...{ repositoryId, write: repair, signal },
    stillOurs: () => stillOurs(),
  });
  try {
    return await fsckCarved(lun.device, {
      ...{ repair, force, owner, repositoryId, signal, giveUp: lun.giveUp },
      onOwned: (verify) => {
        stillOurs = verify;
      },
    });
  } finally {
    await lun.close();
  }
}

/** Volumes of the LUN, in one thread. */
class LunData implements VolumeData {
  readonly #connection: Connection;
  readonly #port: IscsiDataPort;
  readonly #carved: VolumeData;

  constructor(connection: Connection, { log, clock }: AdapterParts, ask: AskControl) {
    this.#connection = connection;
    this.#port = new IscsiDataPort({ log, timers: { ...REAL_TIME, now: clock } });
    const openDevice = this.#openLun.bind(this);
    this.#carved = carvedVolumeData({ openDevice, ask, clock });
  }

  async open(...[locator, options]: Parameters<VolumeData['open']>): Promise<BlockDevice> {
    lunAddressOf(locator); // before anybody is asked
    return await this.#carved.open(locator, options);
  }

  async close(): Promise<void> {
    await this.#carved.close?.();
    await this.#port.close();
  }

  /** Through the settings' portals: a locator may be older than they are. */
  #openLun(locator: VolumeLocator, stillOurs: () => Promise<void>): Promise<BlockDevice> {
    const { iqn, lun, wwid: expectWwid } = lunAddressOf(locator);
    const settings = iscsiSettings(this.#connection);
    const portals = settings.portals.map(portalText);
    return this.#port.open({
      ...{ ...accessOf(settings), portals, iqn, lun, expectWwid, write: true, stillOurs },
    });
  }
}
