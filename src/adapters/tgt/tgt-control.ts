/** THE CONTROL PORT of tgtd: an array with a LUN a volume. */
import { statfs } from 'node:fs/promises';
import { KeyedMutex } from '../../base/index.ts';
import { ArrayError, BlockError } from '../../errors/index.ts';
import type {
  AdapterLog,
  AdapterParts,
  ArrayControl,
  ArrayHealth,
  ArrayInfo,
  ArrayVolume,
  Connection,
} from '../../repositories/index.ts';
import { TGT_CAPABILITIES } from './capabilities.ts';
import { NAME_CHARACTERS, SIZE_GRANULARITY, SIZE_MAXIMUM } from './limits.ts';
import { Masking } from './masking.ts';
import { OwnPaths } from './own-paths.ts';
import { readSettings, type TgtSettings } from './settings.ts';
import { Targets } from './targets.ts';
import { Tgtadm } from './tgtadm.ts';
import { storeError, VolumeStore } from './volume-store.ts';
import { Volumes } from './volumes.ts';

export class TgtControl implements ArrayControl {
  readonly info: ArrayInfo;
  readonly snapshots = undefined;
  readonly clones = undefined;
  readonly replication = undefined;
  readonly masking: Masking;
  readonly #folder: string;
  readonly #store: VolumeStore;
  readonly #targets: Targets;
  readonly #volumes: Volumes;
  readonly #paths: OwnPaths;
  readonly #turns = new KeyedMutex();
  readonly #log: AdapterLog;
  #closed = false;

  private constructor(
    connection: Connection,
    settings: TgtSettings,
    store: VolumeStore,
    targets: Targets,
    portals: readonly string[],
    log: AdapterLog,
  ) {
    const { repositoryId, initiatorName } = connection;
    const turns = this.#turns;
    this.#folder = settings.folder;
    this.#store = store;
    this.#targets = targets;
    this.#log = log;
    this.#volumes = new Volumes({ repositoryId, settings, store, targets, portals, turns });
    this.masking = new Masking(store, targets, async () => portals, turns);
    this.#paths = new OwnPaths(store, targets, initiatorName, turns);
    this.info = infoOf(settings);
  }

  /** Makes the targets that the daemon has forgotten. @throws ArrayError */
  static async attach(
    connection: Connection,
    parts: AdapterParts,
    options: { readonly create?: boolean },
  ): Promise<TgtControl> {
    const settings = readSettings(connection);
    const tgtadm = new Tgtadm(settings);
    await tgtadm.show('sys'); // whether it answers, before a folder is made
    const { folder } = settings;
    const store = await VolumeStore.open(folder, connection.repositoryId, options.create === true);
    const targets = new Targets(tgtadm, store);
    const portals = settings.portals.length > 0 ? settings.portals : await targets.portals();
    const control = new TgtControl(connection, settings, store, targets, portals, parts.log);
    await control.#restore(true);
    return control;
  }

  /** @returns how many targets were made again */
  async #restore(all: boolean): Promise<number> {
    return this.#turns.run('tgt', async () => {
      const missing = await this.#targets.missing();
      for (const volume of all ? this.#store.all : missing) await this.#targets.mend(volume);
      return missing.length;
    });
  }

  async space(): ReturnType<ArrayControl['space']> {
    this.#check();
    try {
      const { bsize, blocks, bavail } = await statfs(this.#folder);
      const provisioned = this.#store.all.reduce((sum, { size }) => sum + size, 0);
      return { total: blocks * bsize, free: bavail * bsize, provisioned };
    } catch (error) {
      throw storeError(error, `cannot measure ${this.#folder}`);
    }
  }

  /** Notices that the daemon was started again, and makes its targets again. */
  async health(): Promise<ArrayHealth> {
    this.#check();
    try {
      const restored = await this.#restore(false);
      const paths = (await this.#targets.portals()).map((name) => ({ name, up: true }));
      if (restored === 0) return { state: 'good', messages: [], paths };
      const message = `tgtd had forgotten ${restored} targets, which were made again`;
      this.#log.warn({ restored }, message);
      return { state: 'degraded', messages: [message], paths };
    } catch (error) {
      if (!(error instanceof ArrayError)) throw error;
      return { state: 'failed', messages: [error.message], paths: [] };
    }
  }

  async createVolume(...call: Parameters<ArrayControl['createVolume']>): Promise<ArrayVolume> {
    this.#check();
    return this.#volumes.create(...call);
  }

  async deleteVolume(...call: Parameters<ArrayControl['deleteVolume']>): Promise<void> {
    this.#check();
    return this.#volumes.remove(...call);
  }

  async resizeVolume(...call: Parameters<ArrayControl['resizeVolume']>): Promise<ArrayVolume> {
    this.#check();
    return this.#volumes.resize(...call);
  }

  async findVolume(
    by: Parameters<ArrayControl['findVolume']>[0],
  ): Promise<ArrayVolume | undefined> {
    this.#check();
    return this.#volumes.find(by);
  }

  async listVolumes(
    query: Parameters<ArrayControl['listVolumes']>[0],
  ): ReturnType<ArrayControl['listVolumes']> {
    this.#check();
    return this.#volumes.list(query);
  }

  async adoptVolume(): Promise<ArrayVolume> {
    throw new ArrayError('UNSUPPORTED', 'targets that others have made are not taken over');
  }

  async releaseVolume(): Promise<void> {
    throw new ArrayError('UNSUPPORTED', 'a volume of this folder is always its own');
  }

  async answer(question: unknown): Promise<unknown> {
    try {
      this.#check();
      return await this.#paths.answer(question);
    } catch (error) {
      if (!(error instanceof ArrayError)) throw BlockError.from(error, 'open', 0, 0);
      const errno =
        error.code === 'NOT_FOUND' ? 'ESTALE' : error.code === 'FENCED' ? 'EPERM' : 'EIO';
      throw new BlockError(errno, 'open', 0, 0, error.message, { cause: error });
    }
  }

  /** The targets stay: other hosts have volumes open. */
  async close(): Promise<void> {
    this.#closed = true;
    await this.#turns.run('tgt', async () => undefined);
  }

  #check(): void {
    if (this.#closed) throw new ArrayError('UNREACHABLE', 'the repository is closed');
  }
}

function infoOf(settings: TgtSettings): ArrayInfo {
  return {
    vendor: 'Linux SCSI target framework',
    product: 'tgtd',
    version: 'unknown', // the daemon does not tell
    serial: `${settings.controlPort}:${settings.folder}`,
    capabilities: TGT_CAPABILITIES,
    limits: {
      sizeGranularity: SIZE_GRANULARITY,
      sizeMinimum: SIZE_GRANULARITY,
      sizeMaximum: SIZE_MAXIMUM,
      nameLength: NAME_CHARACTERS,
    },
  };
}
