/** THE CONTROL PORT of a pool of RBD images: puts the parts together. */
import { KeyedMutex } from '../../base/index.ts';
import { ArrayError, BlockError, type Errno } from '../../errors/index.ts';
import type {
  AdapterParts,
  ArrayControl,
  ArrayHealth,
  ArrayInfo,
  ArrayVolume,
  Connection,
} from '../../repositories/index.ts';
import { cephCapabilities } from './capabilities.ts';
import { Clones } from './clones.ts';
import { Cluster } from './cluster.ts';
import { fsidOf, healthOf, spaceOf, versionOf } from './cluster-state.ts';
import { Images } from './images.ts';
import {
  DEAD_CLIENT_SECONDS,
  NAME_CHARACTERS,
  OWNER_CHECK_MS,
  SIZE_GRANULARITY,
  SIZE_MAXIMUM,
  SNAPSHOTS_PER_VOLUME,
} from './limits.ts';
import { Maker } from './making.ts';
import { Masking } from './masking.ts';
import { Objects } from './objects.ts';
import { Ownership } from './ownership.ts';
import { PrivateFolder } from './private-folder.ts';
import { questionOf } from './questions.ts';
import { Replication } from './replication.ts';
import { Servers } from './servers.ts';
import { readSettings } from './settings.ts';
import { Snapshots } from './snapshots.ts';
import { TagIndex } from './tag-index.ts';
import { Volumes } from './volumes.ts';

export interface AttachOptions {
  readonly create?: boolean;
  readonly takeOver?: boolean;
  readonly signal?: AbortSignal;
}

interface Attached {
  readonly cluster: Cluster;
  readonly ownership: Ownership;
  readonly servers: Servers;
  readonly images: Images;
  readonly info: ArrayInfo;
  readonly replication: Replication | undefined;
  readonly repositoryId: string;
}

export class CephControl implements ArrayControl {
  readonly info: ArrayInfo;
  readonly snapshots: Snapshots;
  readonly clones: Clones;
  readonly masking: Masking;
  readonly replication: Replication | undefined;
  readonly #cluster: Cluster;
  readonly #volumes: Volumes;
  readonly #servers: Servers;
  readonly #ownership: Ownership;
  #closing: Promise<void> | undefined;

  private constructor(attached: Attached) {
    const { cluster, images, servers } = attached;
    const turns = new KeyedMutex();
    const objects = new Objects(images, attached.repositoryId);
    const maker = new Maker(cluster, images, turns);
    const index = new TagIndex(cluster, images);
    const onResized = (imageId: string): Promise<void> => servers.restart(imageId);
    const isOpen = servers.isOpen.bind(servers);
    const parts = { cluster, images, objects, maker, index, turns, onResized, isOpen };
    this.#volumes = new Volumes(parts);
    const volumes = this.#volumes;
    this.info = attached.info;
    this.snapshots = new Snapshots({ ...parts, volumes });
    this.clones = new Clones({ ...parts, volumes });
    this.masking = new Masking(cluster, images, (addresses) => servers.cutOff(addresses));
    this.replication = attached.replication;
    this.#cluster = cluster;
    this.#servers = servers;
    this.#ownership = attached.ownership;
  }

  /** @throws ArrayError */
  static async attach(
    connection: Connection,
    parts: AdapterParts,
    options: AttachOptions,
  ): Promise<CephControl> {
    const { repositoryId } = connection;
    const settings = readSettings(connection);
    const dead = await PrivateFolder.clearDead(repositoryId);
    const cluster = await Cluster.open(repositoryId, settings);
    try {
      const images = new Images(cluster);
      const owner = { repositoryId, server: connection.initiatorName };
      // Whoever owns it: what it is does not change by that, and each question is a process.
      const facts = Promise.all([Replication.of(cluster, images), factsOf(cluster)]);
      const [taken] = await Promise.allSettled([
        Ownership.take(cluster, images, owner, options),
        facts,
      ]);
      if (taken.status === 'rejected') throw taken.reason;
      const ownership = taken.value;
      await cluster.block(dead, DEAD_CLIENT_SECONDS);
      const [replication, about] = await facts;
      cluster.guardWith(oncePer(OWNER_CHECK_MS, parts.clock, () => ownership.check()));
      const servers = new Servers(cluster, images, parts.log, () => ownership.check());
      const info = infoOf(cluster, about, replication !== undefined);
      options.signal?.throwIfAborted();
      const attached = { cluster, ownership, servers, images, info, replication, repositoryId };
      return new CephControl(attached);
    } catch (error) {
      await cluster.close();
      if (error instanceof ArrayError) throw error;
      throw new ArrayError('CANCELLED', 'attaching was cancelled', { cause: error });
    }
  }

  space(): ReturnType<ArrayControl['space']> {
    return spaceOf(this.#cluster);
  }

  health(): Promise<ArrayHealth> {
    return healthOf(this.#cluster);
  }

  createVolume(...call: Parameters<ArrayControl['createVolume']>): Promise<ArrayVolume> {
    return this.#volumes.create(...call);
  }

  deleteVolume(...call: Parameters<ArrayControl['deleteVolume']>): Promise<void> {
    return this.#volumes.remove(...call);
  }

  resizeVolume(...call: Parameters<ArrayControl['resizeVolume']>): Promise<ArrayVolume> {
    return this.#volumes.resize(...call);
  }

  findVolume(by: Parameters<ArrayControl['findVolume']>[0]): Promise<ArrayVolume | undefined> {
    return this.#volumes.find(by);
  }

  listVolumes(
    query: Parameters<ArrayControl['listVolumes']>[0],
  ): ReturnType<ArrayControl['listVolumes']> {
    return this.#volumes.list(query);
  }

  adoptVolume(request: Parameters<ArrayControl['adoptVolume']>[0]): Promise<ArrayVolume> {
    return this.#volumes.adopt(request);
  }

  releaseVolume(request: Parameters<ArrayControl['releaseVolume']>[0]): Promise<void> {
    return this.#volumes.release(request);
  }

  async answer(value: unknown): Promise<unknown> {
    const question = questionOf(value);
    try {
      switch (question.ask) {
        case 'open':
          return await this.#servers.open(question.image, question.snapshot);
        case 'again':
          return await this.#servers.again(question.server, question.generation);
        case 'release':
          return await this.#servers.release(question.server);
      }
    } catch (error) {
      throw blockErrorOf(error);
    }
  }

  /** Ends what it runs, and lets another server attach the pool. Again: fine. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    await this.#servers.close();
    // A pool that cannot be reached stays marked as ours: whoever takes over says so.
    await this.#ownership.release().catch(() => undefined);
    await this.#cluster.close();
  }
}

/** Runs it unless that was begun within so many milliseconds: who comes meanwhile shares its end. */
function oncePer(ms: number, clock: () => number, run: () => Promise<void>): () => Promise<void> {
  let begun = Number.NEGATIVE_INFINITY;
  let running: Promise<void> = Promise.resolve();
  return () => {
    const now = clock();
    if (now - begun < ms) return running;
    begun = now;
    running = run().catch((error: unknown) => {
      begun = Number.NEGATIVE_INFINITY;
      throw error;
    });
    return running;
  };
}

/** How the data path says it: EPERM is for good, everything else may be tried again. */
function blockErrorOf(error: unknown): BlockError {
  if (!(error instanceof ArrayError)) return BlockError.from(error, 'open', 0, 0);
  const gone = error.code === 'NOT_FOUND';
  const errno: Errno = error.code === 'FENCED' ? 'EPERM' : gone ? 'ESTALE' : 'EIO';
  return new BlockError(errno, 'open', 0, 0, error.message, { cause: error });
}

interface Facts {
  readonly version: string;
  readonly fsid: string;
}

async function factsOf(cluster: Cluster): Promise<Facts> {
  const [version, fsid] = await Promise.all([versionOf(cluster), fsidOf(cluster)]);
  return { version, fsid };
}

function infoOf(cluster: Cluster, { version, fsid }: Facts, mirrored: boolean): ArrayInfo {
  return {
    vendor: 'Ceph',
    product: 'RBD',
    version,
    serial: `${fsid}/${cluster.place}`,
    capabilities: cephCapabilities(mirrored),
    limits: {
      snapshotsPerVolume: SNAPSHOTS_PER_VOLUME,
      cloneDepth: cluster.settings.cloneDepth,
      sizeGranularity: SIZE_GRANULARITY,
      sizeMinimum: SIZE_GRANULARITY,
      sizeMaximum: SIZE_MAXIMUM,
      nameLength: NAME_CHARACTERS,
    },
  };
}
