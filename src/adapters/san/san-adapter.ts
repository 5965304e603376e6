/**
 * Block devices that the host already sees, whatever brings them (Fibre Channel behind multipath, SAS, local disks, loop
 * devices): each is one repository, carved into volumes.
 *
 * The control thread holds the device exclusively (O_EXCL) as long as the repository is attached, so that nobody
 * formats or mounts it; workers open it besides. Path names change from boot to boot: what is remembered is the disk's
 * own name (WWID), and each open looks it up again.
 */
import type { BlockDevice } from '../../block/index.ts';
import { ArrayError, BlockError } from '../../errors/index.ts';
import {
  type Adapter,
  type AdapterParts,
  type ArrayControl,
  type AttachCarvedRequest,
  attachCarved,
  CARVED_SETTINGS,
  type CarvedControl,
  type CheckOptions,
  type CheckReport,
  type Connection,
  carvedCapabilities,
  carvedSettings,
  carvedVolumeData,
  checkNotCancelled,
  findingOfContent,
  fsckCarved,
  type ProbeAnswer,
  type ProbeFinding,
  type SettingField,
  type SettingValue,
} from '../../repositories/index.ts';
import { type BlockNode, type HostFolders, listBlockNodes } from './block-nodes.ts';
import { DirectReader } from './direct-reader.ts';
import { findNode, type NodeChoice, refuseUsed } from './find-node.ts';
import { dropCache, openNode } from './open-node.ts';

const SAN_ADAPTER = 'san';

/** Bytes of a read of a superblock. */
const SUPERBLOCK_BYTES = 4096;

const SETTINGS: readonly SettingField[] = [
  {
    name: 'SCSIid',
    type: 'text',
    required: false,
    secret: false,
    description:
      'What names the disk for good (WWID), as scsi_id, multipath or /sys spell it. This or `device` must be given.',
  },
  {
    name: 'device',
    type: 'text',
    required: false,
    secret: false,
    description:
      'Path of the disk, e.g. under /dev/disk/by-id or /dev/mapper. With `SCSIid` it must be that disk.',
  },
  ...CARVED_SETTINGS,
];

/** What a test owns instead of the host. */
export interface SanSurroundings {
  readonly folders: HostFolders;
  readonly timing?: AttachCarvedRequest['timing'];
}

export class SanAdapter implements Adapter {
  readonly kind = SAN_ADAPTER;
  readonly description = 'Disks that this host sees: Fibre Channel, multipath, local';
  readonly settings = SETTINGS;
  readonly #surroundings: SanSurroundings;

  constructor(surroundings: SanSurroundings = { folders: { sys: '/sys', dev: '/dev' } }) {
    this.#surroundings = surroundings;
  }

  async probe(
    connection: Omit<Connection, 'repositoryId'>,
    parts: AdapterParts,
    signal: AbortSignal,
  ): Promise<ProbeAnswer> {
    const choice = choiceOf(connection.settings);
    if (choice.wwid !== undefined || choice.path !== undefined) {
      const node = await findNode(this.#surroundings.folders, choice);
      const found = [await describe(node, parts, this.#surroundings.folders)];
      return { step: 'ready', choose: undefined, found, capabilities: carvedCapabilities() };
    }
    const found: ProbeFinding[] = [];
    const nodes = await listBlockNodes(this.#surroundings.folders);
    const paths = new Set(nodes.filter((node) => node.multipath).flatMap((node) => node.slaves));
    for (const node of nodes) {
      checkNotCancelled(signal);
      // A path of a multipath device is not a disk of its own.
      if (!paths.has(node.name)) {
        found.push(await describe(node, parts, this.#surroundings.folders));
      }
    }
    return { step: 'pool', choose: 'device', found };
  }

  async attach(
    connection: Connection,
    parts: AdapterParts,
    options: {
      readonly create?: boolean;
      readonly takeOver?: boolean;
      readonly signal: AbortSignal;
    },
  ): Promise<ArrayControl> {
    return await this.attachCarved(connection, parts, options);
  }

  /** As `attach`, with what the port does not show. */
  async attachCarved(
    connection: Connection,
    parts: AdapterParts,
    options: Parameters<Adapter['attach']>[2],
  ): Promise<CarvedControl> {
    const { node, device, readFresh } = await this.#hold(connection.settings, parts);
    const { timing } = this.#surroundings;
    return await attachCarved({
      device,
      connection,
      parts,
      options,
      adapterKind: SAN_ADAPTER,
      locatorAddress: node.wwid === undefined ? { device: node.path } : { wwid: node.wwid },
      description: {
        vendor: node.vendor || 'unknown',
        product: node.model || node.name,
        version: '1',
        serial: node.wwid ?? node.name,
      },
      ...(readFresh === undefined ? {} : { readFresh }),
      ...carvedSettings(connection.settings),
      ...(timing === undefined ? {} : { timing }),
    });
  }

  async check(
    { settings, repositoryId, initiatorName: owner }: Connection,
    parts: AdapterParts,
    { repair, force, signal }: CheckOptions,
  ): Promise<CheckReport> {
    const { device, readFresh } = await this.#hold(settings, parts);
    try {
      return await fsckCarved(device, {
        ...{ repair, force, owner, readFresh, repositoryId, signal },
      });
    } finally {
      await device.close();
    }
  }

  /** The disk that the settings mean, for us alone as long as it is open. */
  async #hold(
    settings: Connection['settings'],
    { clock, log }: AdapterParts,
  ): Promise<{
    readonly node: BlockNode;
    readonly device: BlockDevice;
    readonly readFresh: AttachCarvedRequest['readFresh'];
  }> {
    const { folders } = this.#surroundings;
    const node = await findNode(folders, choiceOf(settings));
    refuseUsed(node);
    const reader = DirectReader.open(node.path, SUPERBLOCK_BYTES);
    if (reader === undefined) {
      log.warn({ device: node.path }, 'cannot be read past the cache: take-overs go unnoticed');
    }
    try {
      const options = { folders, write: true, exclusive: true, clock, companion: reader };
      const device = await openNode(node, options);
      if (!(await dropCache(node))) log.warn({ device: node.path }, 'blockdev --flushbufs failed');
      const readFresh =
        reader && ((to: Buffer, offset: number): Promise<void> => reader.read(to, offset));
      return { node, device, readFresh };
    } catch (error) {
      await reader?.close();
      throw error;
    }
  }

  openData(
    connection: Connection,
    parts: AdapterParts,
    ask: Parameters<Adapter['openData']>[2],
  ): ReturnType<Adapter['openData']> {
    const { clock } = parts;
    return carvedVolumeData({
      ask,
      clock,
      openDevice: async ({ address }) => {
        try {
          const choice = choiceOf(connection.settings);
          // Also where the settings say a path only: it must still be the disk that was attached.
          const wwid = choice.wwid ?? textOf(address['wwid']);
          const node = await findNode(this.#surroundings.folders, { ...choice, wwid });
          return await openNode(node, {
            ...{ folders: this.#surroundings.folders, write: true, exclusive: false, clock },
          });
        } catch (error) {
          const message = error instanceof Error ? error.message : String(error);
          const another = error instanceof ArrayError && error.code === 'ALREADY_EXISTS_DIFFERENT';
          throw new BlockError(another ? 'ESTALE' : 'EIO', 'open', 0, 0, message, { cause: error });
        }
      },
    });
  }
}

function choiceOf(settings: Readonly<Record<string, SettingValue>>): NodeChoice {
  return { wwid: textOf(settings['SCSIid']), path: textOf(settings['device']) };
}

function textOf(value: SettingValue | undefined): string | undefined {
  return typeof value === 'string' && value !== '' ? value : undefined;
}

/** What it is, how large, and what lies on it. Reads only. */
async function describe(
  node: BlockNode,
  { clock }: AdapterParts,
  folders: HostFolders,
): Promise<ProbeFinding> {
  const settings = node.wwid === undefined ? {} : { SCSIid: node.wwid };
  const maker = [node.vendor, node.model].filter((text) => text !== '').join(' ');
  const finding: ProbeFinding = {
    value: node.path,
    description: [node.path, maker, node.wwid].filter((text) => text).join(', '),
    settings,
    size: node.size,
    disk: {
      ...{ vendor: node.vendor, product: node.model, serial: node.wwid ?? '' },
      paths: Math.max(1, node.slaves.length),
    },
  };
  try {
    refuseUsed(node);
    // Exclusive, so that what is mounted says so.
    const device = await openNode(node, { folders, write: false, exclusive: true, clock });
    try {
      return await findingOfContent(finding, device);
    } finally {
      await device.close();
    }
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    return { ...finding, description: `${finding.description}, ${why}` };
  }
}
