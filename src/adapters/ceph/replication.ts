/**
 * RBD mirroring of single images in snapshot mode: the rbd-mirror daemon of the secondary's cluster fetches the
 * differences of mirror snapshots. Peers are made by the administrator (`rbd mirror pool peer bootstrap`).
 *
 * What a cluster says of the other one is up to half a minute old. So the role is read from the image itself, and
 * what must not be done too early (promoting) is tried, not foreseen: librbd looks at the newest snapshot it has.
 */
import { ArrayError } from '../../errors/index.ts';
import type {
  ArrayLink,
  ArrayRef,
  Mutation,
  ReplicationControl,
  ReplicationState,
} from '../../repositories/index.ts';
import type { Cluster } from './cluster.ts';
import type { Image, Images } from './images.ts';
import { volumeRef } from './objects.ts';
import { asShape, count, optionalText, type Shape, shapesOf, text } from './shape.ts';

type OfVolume = Mutation & { readonly volume: ArrayRef };

export class Replication implements ReplicationControl {
  readonly site: string;
  readonly #cluster: Cluster;
  readonly #images: Images;

  private constructor(cluster: Cluster, images: Images, site: string) {
    this.#cluster = cluster;
    this.#images = images;
    this.site = site;
  }

  /** undefined: mirroring is off in this pool. */
  static async of(cluster: Cluster, images: Images): Promise<Replication | undefined> {
    const pool = await poolInfo(cluster);
    if (optionalText(pool, 'mode') !== 'image') return undefined;
    return new Replication(cluster, images, siteIn(cluster, text(pool, 'site_name')));
  }

  async peers(): Promise<readonly string[]> {
    const pool = await poolInfo(this.#cluster);
    return shapesOf(pool['peers'] ?? [], 'peers')
      .filter((peer) => /tx/.test(optionalText(peer, 'direction') ?? 'rx-tx'))
      .map((peer) => siteIn(this.#cluster, text(peer, 'site_name')));
  }

  async enable(request: OfVolume): Promise<ArrayLink> {
    const image = await this.#images.ofRef(request.volume);
    if ((await this.peers()).length === 0) {
      const message = `pool ${this.#cluster.place} has no peer to mirror to`;
      throw new ArrayError('PEER_MISSING', message);
    }
    const isOn = image.primary !== undefined && !image.halfMirrored;
    if (!isOn) await this.#mirror(image, ['enable'], ['snapshot']);
    return this.#link(await this.#images.ofRef(request.volume));
  }

  async disable(request: OfVolume): Promise<void> {
    const image = await this.#images.byId(request.volume.nativeId);
    if (image?.primary === undefined) return;
    // Of the copy: `rbd` wants to be sure, since the image is deleted with it.
    if (!image.primary) {
      const message = `${image.name} is the copy: end it where the original is, or promote it first`;
      throw new ArrayError('FROZEN', message);
    }
    await this.#mirror(image, ['disable']);
  }

  async status(volume: ArrayRef): Promise<ArrayLink | undefined> {
    const image = await this.#images.byId(volume.nativeId);
    return image?.primary === undefined ? undefined : this.#link(image);
  }

  async syncNow(request: OfVolume): Promise<number | undefined> {
    const image = await this.#mirrored(request.volume);
    if (!image.primary) {
      throw new ArrayError('FROZEN', `${image.name} is the copy: the original sends`);
    }
    await this.#mirror(image, ['snapshot']);
    const snapshots = await this.#images.snapshots(image.name);
    const moments = snapshots.filter(({ namespace }) => namespace === 'mirror');
    return moments.at(-1)?.createdAt;
  }

  async promote(request: OfVolume & { readonly force: boolean }): Promise<ArrayLink> {
    const image = await this.#mirrored(request.volume);
    if (!image.primary) {
      await this.#notSplit(image, request.force);
      await this.#mirror(image, ['promote', ...(request.force ? ['--force'] : [])]);
    }
    return this.#link(await this.#images.ofRef(request.volume));
  }

  /** Both sides were written: only throwing one away (`resync`), or force, helps. */
  async #notSplit(image: Image, force: boolean): Promise<void> {
    if (force) return;
    const link = await this.#link(image);
    if (link.state !== 'split-brain') return;
    throw new ArrayError('SPLIT_BRAIN', `${image.name}: ${link.description}`);
  }

  async demote(request: OfVolume): Promise<ArrayLink> {
    const image = await this.#mirrored(request.volume);
    if (image.primary) await this.#mirror(image, ['demote']);
    return this.#link(await this.#images.ofRef(request.volume));
  }

  /** Flags it; the daemon deletes this copy and fetches all of the other: the image has another id then. */
  async resync(request: OfVolume): Promise<ArrayLink> {
    const image = await this.#mirrored(request.volume);
    if (image.primary) {
      const message = `${image.name} is the original: demote it first`;
      throw new ArrayError('FROZEN', message);
    }
    await this.#mirror(image, ['resync']);
    return this.#link(image, 'reprotecting');
  }

  async #mirrored(volume: ArrayRef): Promise<Image> {
    const image = await this.#images.ofRef(volume);
    if (image.primary !== undefined) return image;
    throw new ArrayError('RELATIONSHIP_BROKEN', `${image.name} is not mirrored`);
  }

  async #mirror(
    image: Image,
    verb: readonly string[],
    rest: readonly string[] = [],
  ): Promise<void> {
    const args = ['mirror', 'image', ...verb, this.#cluster.spec(image.name), ...rest];
    try {
      await this.#cluster.rbd(args, {
        what: `${verb[0]} mirroring of ${image.name}`,
        mutating: true,
      });
    } catch (error) {
      throw error instanceof ArrayError ? inMirroringTerms(error, verb[0]) : error;
    }
  }

  async #link(image: Image, state?: ReplicationState): Promise<ArrayLink> {
    const call = { what: `ask how ${image.name} is mirrored` };
    const args = ['mirror', 'image', 'status', this.#cluster.spec(image.name)];
    const status = asShape(await this.#cluster.rbdJson(args, call), call.what);
    const primary = image.primary === true;
    const [peer] = shapesOf(status['peer_sites'] ?? [], call.what);
    const ours = { state: text(status, 'state'), description: text(status, 'description') };
    const theirs = {
      state: (peer && optionalText(peer, 'state')) ?? 'down+unknown',
      description: (peer && optionalText(peer, 'description')) ?? '',
    };
    // The side that copies is the one that knows how far it is.
    const copying = primary ? theirs : ours;
    return {
      ref: { kind: 'link', nativeId: text(status, 'global_id'), name: image.name },
      volume: volumeRef(image),
      role: primary ? 'primary' : 'secondary',
      state: state ?? stateOf(copying.state, copying.description, primary),
      description: `${said(ours)}; ${said(theirs)}`,
      lastSyncAt: syncedAt(copying.description),
    };
  }
}

/** A pool is mirrored to the one of its name in the peer's cluster. */
function siteIn(cluster: Cluster, site: string): string {
  return `${site}/${cluster.place}`;
}

/** Without the figures of a daemon, which are for programs. */
function said(of: { readonly state: string; readonly description: string }): string {
  const { state, description } = of;
  const words = description.replace(/,?\s*\{.*\}/s, '');
  return words === '' ? state : `${state}: ${words}`;
}

async function poolInfo(cluster: Cluster): Promise<Shape> {
  const call = { what: 'ask how the pool is mirrored' };
  return asShape(await cluster.rbdJson(['mirror', 'pool', 'info', cluster.place], call), call.what);
}

/** Exit 16, 22 and 30 say little; the words do. */
function inMirroringTerms(error: ArrayError, verb: string | undefined): ArrayError {
  const { nativeMessage = '' } = error.details;
  // The demotion is here, and the daemon is not done with it: it still has the image.
  if (verb === 'promote' && /Read-only file system/.test(nativeMessage)) {
    const message = 'the daemon that copies here has not let go of the image yet';
    return new ArrayError('DEMOTION_NOT_PROPAGATED', message, error.details);
  }
  if (/demotion is not propagated yet|primary within a remote cluster/.test(nativeMessage)) {
    const message = 'the other side is still the original, or its demotion has not come here yet';
    return new ArrayError('DEMOTION_NOT_PROPAGATED', message, error.details);
  }
  if (/split-brain/.test(nativeMessage)) {
    return new ArrayError('SPLIT_BRAIN', error.message, error.details);
  }
  if (/is not primary/.test(nativeMessage)) {
    return new ArrayError('FROZEN', error.message, error.details);
  }
  return error;
}

/** @param copying what the daemon of the copying side says of its image: `up+replaying`, `down+unknown` … */
export function stateOf(copying: string, description: string, primary: boolean): ReplicationState {
  const [health = '', activity = ''] = copying.split('+');
  if (/split-brain/.test(description)) return 'split-brain';
  if (/remote image demoted/.test(description)) return 'demoted';
  if (health === 'down') return activity === 'unknown' ? 'unknown' : 'broken';
  switch (activity) {
    case 'replaying':
      return /"replay_state":\s*"idle"/.test(description) ? 'idle-consistent' : 'syncing';
    case 'syncing':
      return 'syncing';
    case 'starting_replay':
      return 'initializing';
    case 'stopping_replay':
      return 'promoting';
    case 'stopped':
      // Both say that they are the original: what this side was copied to was promoted.
      return primary ? 'failed-over' : 'paused';
    case 'error':
      return /bootstrapping|resync/.test(description) ? 'reprotecting' : 'error';
    default:
      return 'unknown';
  }
}

/** Seconds since the epoch of the newest mirror snapshot that is complete there. */
function syncedAt(description: string): number | undefined {
  const json = /\{.*\}/s.exec(description)?.[0];
  if (json === undefined) return undefined;
  try {
    const said = asShape(JSON.parse(json) as unknown, 'a description');
    return count(said, 'local_snapshot_timestamp') * 1000;
  } catch {
    return undefined;
  }
}
