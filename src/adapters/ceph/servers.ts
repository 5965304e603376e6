/**
 * The qemu-nbd processes of an attached repository: one for each image or snapshot that is open, for all workers.
 *
 * A server is started by the first who opens it and ended after the last. One that died is started again when somebody
 * says that the connection broke; before that, the dead process's client is put on the cluster's blocklist: a write
 * of it that is still on its way then never arrives after a newer one, and its lock is free at once instead of after
 * half a minute. Whoever resumes repeats the requests that were not answered (rbd-device.ts).
 *
 * A connection that breaks ends its server: what it may still be doing must be over before anything is repeated.
 */
import { KeyedMutex } from '../../base/index.ts';
import { ArrayError } from '../../errors/index.ts';
import type { AdapterLog } from '../../repositories/index.ts';
import type { Cluster } from './cluster.ts';
import type { Image, Images } from './images.ts';
import { DEAD_CLIENT_SECONDS } from './limits.ts';
import { QemuNbd } from './qemu-nbd.ts';

export interface Served {
  /** Names the server in `again` and `release`. */
  readonly server: number;
  readonly socket: string;
  /** Counts its processes. */
  readonly generation: number;
  readonly writable: boolean;
}

interface Server {
  readonly index: number;
  readonly key: string;
  readonly imageId: string;
  readonly snapshotId: number | undefined;
  uses: number;
  generation: number;
  process: QemuNbd | undefined;
  writable: boolean;
  /** Of the image when the process opened it, in bytes. */
  size: number;
  /** Its addresses in the cluster. */
  watchers: readonly string[];
  /** Its clients were fenced: whoever has it open is cut off for good. */
  cut: boolean;
}

export class Servers {
  readonly #cluster: Cluster;
  readonly #images: Images;
  readonly #log: AdapterLog;
  /** @throws ArrayError FENCED */
  readonly #stillOurs: () => Promise<void>;
  readonly #turns = new KeyedMutex();
  /** Those that may be opened. */
  readonly #byKey = new Map<string, Server>();
  readonly #byIndex = new Map<number, Server>();
  #indexes = 0;
  #closed = false;

  constructor(cluster: Cluster, images: Images, log: AdapterLog, stillOurs: () => Promise<void>) {
    this.#cluster = cluster;
    this.#images = images;
    this.#log = log;
    this.#stillOurs = stillOurs;
  }

  /** @throws ArrayError NOT_FOUND (also: another image has the name now), PATH_UNAVAILABLE, FENCED … */
  open(imageId: string, snapshotId: number | undefined): Promise<Served> {
    const key = keyOf(imageId, snapshotId);
    return this.#turns.run(key, async () => {
      const server = this.#byKey.get(key) ?? this.#new(key, imageId, snapshotId);
      if (server.process?.alive !== true) {
        try {
          // It died, and nobody has noticed yet: what it was writing must not arrive any more.
          if (server.process !== undefined) await this.#block(server);
          await this.#start(server);
        } catch (error) {
          if (server.uses === 0) this.#drop(server);
          throw error;
        }
      }
      server.uses += 1;
      return this.#served(server);
    });
  }

  /** The connection to this generation is broken: another one. @throws ArrayError FENCED, NOT_FOUND … */
  again(index: number, generation: number): Promise<Served> {
    const server = this.#byIndex.get(index);
    if (server === undefined) throw new ArrayError('NOT_FOUND', `there is no server ${index}`);
    return this.#turns.run(server.key, async () => {
      if (server.cut) throw new ArrayError('FENCED', 'this client was fenced');
      if (server.generation === generation || server.process?.alive !== true) {
        const said = server.process?.complaint;
        this.#log.warn({ image: server.imageId, said }, 'qemu-nbd is started again');
        await server.process?.kill();
        await this.#block(server);
        await this.#start(server);
      }
      return this.#served(server);
    });
  }

  async release(index: number): Promise<void> {
    const server = this.#byIndex.get(index);
    if (server === undefined) return;
    await this.#turns.run(server.key, async () => {
      server.uses -= 1;
      if (server.uses > 0) return;
      await this.#stop(server);
      this.#drop(server);
    });
  }

  /** Who opens the image from now on sees its new size; who has it open is connected again. */
  async restart(imageId: string): Promise<void> {
    const key = keyOf(imageId, undefined);
    await this.#turns.run(key, async () => {
      const server = this.#byKey.get(key);
      if (server?.process?.alive !== true) return;
      if ((await this.#images.byId(imageId))?.size === server.size) return;
      await this.#stop(server);
      await this.#start(server);
    });
  }

  isOpen(imageId: string, snapshotId: number): boolean {
    return this.#byKey.has(keyOf(imageId, snapshotId));
  }

  /** These clients were fenced: the servers among them are of no use any more. */
  async cutOff(addresses: readonly string[]): Promise<void> {
    for (const server of [...this.#byKey.values()]) {
      if (!server.watchers.some((watcher) => addresses.includes(watcher))) continue;
      server.cut = true;
      this.#byKey.delete(server.key);
      await server.process?.kill();
    }
  }

  async close(): Promise<void> {
    this.#closed = true;
    // One that is being started is ended when it has been.
    const ended = await Promise.allSettled(
      [...this.#byIndex.values()].map((server) =>
        this.#turns.run(server.key, () => this.#stop(server)),
      ),
    );
    for (const end of ended) {
      if (end.status === 'rejected') this.#log.warn({ error: end.reason }, 'ending a qemu-nbd');
    }
    this.#byIndex.clear();
    this.#byKey.clear();
  }

  #new(key: string, imageId: string, snapshotId: number | undefined): Server {
    this.#indexes += 1;
    const server: Server = {
      ...{ index: this.#indexes, key, imageId, snapshotId, uses: 0, generation: 0 },
      ...{ process: undefined, writable: false, size: 0, watchers: [], cut: false },
    };
    this.#byKey.set(key, server);
    this.#byIndex.set(server.index, server);
    return server;
  }

  #drop(server: Server): void {
    this.#byIndex.delete(server.index);
    if (this.#byKey.get(server.key) === server) this.#byKey.delete(server.key);
  }

  #served(server: Server): Served {
    return {
      server: server.index,
      socket: this.#cluster.folder.socketPath(server.index),
      generation: server.generation,
      writable: server.writable,
    };
  }

  async #start(server: Server): Promise<void> {
    if (this.#closed) throw new ArrayError('UNREACHABLE', 'the repository is closed');
    const image = await this.#images.byId(server.imageId);
    if (image === undefined) {
      throw new ArrayError('NOT_FOUND', `there is no image of id ${server.imageId}`);
    }
    const snapshot = await this.#snapshotName(image, server.snapshotId);
    // The copy of a mirrored image belongs to the daemon that writes it.
    const writable = snapshot === undefined && image.primary !== false;
    const before = writable ? await this.#images.watchers(image.name) : [];
    const { index } = server;
    const { folder, pool, settings } = this.#cluster;
    const { namespace, user } = settings;
    const socket = folder.socketPath(index);
    const source = { pool, namespace, image: image.name, snapshot, user };
    const process = await QemuNbd.start({
      ...source,
      readOnly: !writable,
      conf: folder.conf,
      socket,
    });
    try {
      // Noted before anybody writes: whoever finds it dead must know which client of the cluster it was.
      // Asked when it has the image open: who takes over says so first, and then cuts off whoever has images open.
      const [after] = await Promise.all([
        writable ? this.#images.watchers(image.name) : [],
        this.#stillOurs(),
      ]);
      const watchers = after.filter((watcher) => !before.includes(watcher));
      await folder.note(index, { pid: process.pid, watchers });
      if (this.#closed) throw new ArrayError('UNREACHABLE', 'the repository is closed');
      if (server.cut) throw new ArrayError('FENCED', 'this client was fenced');
      server.watchers = watchers;
    } catch (error) {
      await process.kill(); // nobody has written by way of it
      throw error;
    }
    server.process = process;
    server.writable = writable;
    server.size = image.size;
    server.generation += 1;
  }

  async #snapshotName(image: Image, id: number | undefined): Promise<string | undefined> {
    if (id === undefined) return undefined;
    const found = (await this.#images.userSnapshots(image.name)).find((each) => each.id === id);
    if (found !== undefined) return found.name;
    throw new ArrayError('NOT_FOUND', `image ${image.name} has no snapshot of id ${id}`);
  }

  async #stop(server: Server): Promise<void> {
    const graceful = (await server.process?.stop()) ?? true;
    if (!graceful && !server.cut) await this.#block(server);
    await this.#cluster.folder.forget(server.index);
  }

  async #block(server: Server): Promise<void> {
    try {
      await this.#cluster.block(server.watchers, DEAD_CLIENT_SECONDS);
    } catch (error) {
      // librbd does so itself when it breaks the lock, after half a minute.
      this.#log.warn({ error, image: server.imageId }, 'a dead client could not be blocklisted');
    }
  }
}

function keyOf(imageId: string, snapshotId: number | undefined): string {
  return snapshotId === undefined ? imageId : `${imageId}@${snapshotId}`;
}
