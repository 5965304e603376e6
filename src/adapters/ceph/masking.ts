/**
 * Who may have which image open, as far as RBD knows such a thing.
 *
 * RBD masks nothing: whoever has a key to the pool reaches every image in it. What RBD has is a list of who has an
 * image open (watchers, with addresses), and a blocklist in the cluster's map, which every OSD obeys at once. So
 * `maskIp` is `emulated`: a mapping is a note in the image's metadata, by which a volume that is given out is not
 * deleted; that no other host opens it is for whoever hands out keys. Ending sessions and fencing are real.
 *
 * Fencing a host puts its addresses on the blocklist, so that no client there can write, open now or later; and each of
 * its clients by its own address, for good: when the host is let in again, what it had open stays cut off, or a write
 * from before could still come. A host that has an address of this server is fenced by its clients only.
 */
import { isIP } from 'node:net';
import { forEachOf, matchAddresses, ownAddresses, withoutMapping } from '../../base/index.ts';
import { ArrayError } from '../../errors/index.ts';
import type {
  ArrayMapping,
  ArrayRef,
  HostIdentity,
  MaskingControl,
  Mutation,
} from '../../repositories/index.ts';
import type { Cluster } from './cluster.ts';
import { type Image, type Images, ignoring } from './images.ts';
import { CALLS_AT_ONCE, FENCE_SECONDS } from './limits.ts';
import { checkName, META } from './names.ts';
import { snapshotIdOf, volumeRef } from './objects.ts';
import { parseJson, shapesOf, text } from './shape.ts';

interface MappingNote {
  readonly mode: 'rw' | 'ro';
  readonly addresses: readonly string[];
}

export class Masking implements MaskingControl {
  readonly #cluster: Cluster;
  readonly #images: Images;
  /** Clients that this server runs are told from others, and ended, when they are cut off. */
  readonly #onBlocked: (addresses: readonly string[]) => Promise<void>;

  constructor(
    cluster: Cluster,
    images: Images,
    onBlocked: (addresses: readonly string[]) => Promise<void>,
  ) {
    this.#cluster = cluster;
    this.#images = images;
    this.#onBlocked = onBlocked;
  }

  async map(request: Parameters<MaskingControl['map']>[0]): Promise<ArrayMapping> {
    const { host, mode } = request;
    checkName(host.name);
    if (request.chap !== undefined) {
      throw new ArrayError('UNSUPPORTED', 'RBD knows no CHAP', { field: 'chap' });
    }
    const image = await this.#images.ofRef(request.volume);
    if (request.volume.kind === 'snapshot' && mode === 'rw') {
      throw new ArrayError('INVALID_ARGUMENT', 'a snapshot is read only', { field: 'mode' });
    }
    const there = (await this.#mappingsOf(image, request.volume)).find(
      (each) => each.host === host.name,
    );
    if (there !== undefined && there.mode !== mode) {
      const message = `${image.name} is mapped to ${host.name} as ${there.mode}`;
      throw new ArrayError('ALREADY_EXISTS_DIFFERENT', message, { field: 'mode', value: mode });
    }
    if (there !== undefined) return there;
    const note: MappingNote = { mode, addresses: host.addresses };
    const key = keyOf(request.volume) + host.name;
    await this.#images.setMeta(image.name, key, JSON.stringify(note));
    return this.#mapping(image, request.volume, host.name, note);
  }

  async unmap(request: Parameters<MaskingControl['unmap']>[0]): Promise<void> {
    const [id = ''] = request.volume.nativeId.split('@');
    const image = await this.#images.byId(id);
    if (image === undefined) return;
    for (const mapping of await this.#mappingsOf(image, request.volume)) {
      if (request.host !== undefined && mapping.host !== request.host) continue;
      if (mapping.sessions.length > 0 && request.force !== true) {
        const message = `${mapping.host} has ${image.name} open`;
        throw new ArrayError('IN_USE', message, { refs: mapping.sessions });
      }
      await this.#cut(mapping.sessions);
      await this.#images.removeMeta(image.name, keyOf(request.volume) + mapping.host);
    }
  }

  async listMappings(query: { readonly volume?: ArrayRef }): Promise<readonly ArrayMapping[]> {
    if (query.volume !== undefined) {
      const image = await this.#images.byId(query.volume.nativeId);
      return image === undefined ? [] : this.#mappingsOf(image, volumeRef(image));
    }
    const found: ArrayMapping[] = [];
    await forEachOf(await this.#images.names(), CALLS_AT_ONCE, async (name) => {
      await ignoring(['NOT_FOUND'], async () => {
        const image = await this.#images.byName(name);
        if (image !== undefined) found.push(...(await this.#mappingsOf(image, volumeRef(image))));
      });
    });
    return found.sort((a, b) => (a.ref.nativeId < b.ref.nativeId ? -1 : 1));
  }

  async fence(request: Mutation & { readonly host: HostIdentity }): Promise<void> {
    const addresses = addressesOf(request.host);
    if (!isThisServer(addresses)) await this.#cluster.block(addresses, FENCE_SECONDS);
    const clients = new Set<string>();
    await forEachOf(await this.#images.names(), CALLS_AT_ONCE, async (name) => {
      await ignoring(['NOT_FOUND'], async () => {
        const watchers = await this.#images.watchers(name);
        for (const watcher of clientsAt(watchers, addresses)) clients.add(watcher);
      });
    });
    await this.#cut([...clients]);
  }

  async unfence(request: Mutation & { readonly host: HostIdentity }): Promise<void> {
    const listed = await this.fenced();
    for (const address of clientsAt(listed, addressesOf(request.host))) {
      const what = `take ${address} off the blocklist`;
      await this.#cluster.ceph(['osd', 'blocklist', 'rm', address], { what, mutating: true });
    }
  }

  /** Of the whole cluster, whoever has put it there; single clients that were cut off are none. */
  async fenced(): Promise<readonly string[]> {
    const what = 'read the blocklist';
    const args = ['osd', 'blocklist', 'ls', '--format', 'json'];
    const printed = await this.#cluster.ceph(args, { what });
    // `ceph` 16.2 prints a list, and sometimes an empty one behind it.
    const entries = shapesOf(parseJson(printed.trim().replace(/\]\s*\[\]$/, ']'), what), what);
    const listed = entries.map((entry) => text(entry, 'addr'));
    return listed
      .filter((each) => each.endsWith(':0/0'))
      .map(hostOf)
      .sort();
  }

  async #cut(clients: readonly string[]): Promise<void> {
    if (clients.length === 0) return;
    await this.#cluster.block(clients, FENCE_SECONDS);
    await this.#onBlocked(clients);
  }

  async #mappingsOf(image: Image, of: ArrayRef): Promise<readonly ArrayMapping[]> {
    const prefix = keyOf(of);
    const notes = [...(await this.#images.meta(image.name))].filter(([key]) =>
      key.startsWith(prefix),
    );
    return Promise.all(
      notes.map(([key, value]) => {
        const note = parseJson(value, `a mapping of ${image.name}`) as MappingNote;
        return this.#mapping(image, of, key.slice(prefix.length), note);
      }),
    );
  }

  async #mapping(
    image: Image,
    of: ArrayRef,
    host: string,
    note: MappingNote,
  ): Promise<ArrayMapping> {
    const { monHosts, conf } = this.#cluster.settings;
    // Who reads a snapshot is no watcher.
    const watchers = of.kind === 'volume' ? await this.#images.holders(image.name) : [];
    return {
      ref: { kind: 'mapping', nativeId: `${of.nativeId}:${host}`, name: `${of.name}:${host}` },
      volume: of.kind === 'volume' ? volumeRef(image) : of,
      host,
      mode: note.mode,
      lun: undefined,
      sessions: clientsAt(watchers, note.addresses),
      target: {
        portals: monHosts.length > 0 ? monHosts : [conf ?? ''],
        path: this.#cluster.spec(image.name),
      },
    };
  }
}

/**
 * As Ceph knows them: a blocklist has no client of IPv4 in an address of IPv6.
 * @throws ArrayError INVALID_ARGUMENT: none, or a network, which a blocklist of 16.2 does not know
 */
function addressesOf({ name, addresses }: HostIdentity): readonly string[] {
  const network = addresses.find((address) => isIP(address) === 0);
  if (network === undefined && addresses.length > 0) return addresses.map(withoutMapping);
  const message =
    network === undefined
      ? `no address of ${name} is known`
      : `${network} of ${name} is a network, and only addresses can be cut off`;
  throw new ArrayError('INVALID_ARGUMENT', message, {
    field: 'host.addresses',
    value: addresses,
    expected: 'IP addresses, each by itself',
  });
}

/** Of a snapshot, in the metadata of its image. */
function keyOf(ref: ArrayRef): string {
  if (ref.kind !== 'snapshot') return META.mapping;
  return `${META.snapshotMapping}${snapshotIdOf(ref)}.`;
}

/** `10.0.0.1:0/1234` or `[fd00::1]:0/1234`; an address alone is itself. */
function hostOf(watcher: string): string {
  return watcher.replace(/:\d+\/\d+$/, '').replace(/^\[(.*)\]$/, '$1');
}

/**
 * @param clients watchers, or addresses alone
 * @param addresses IP addresses and networks
 */
function clientsAt(clients: readonly string[], addresses: readonly string[]): readonly string[] {
  const matches = matchAddresses(addresses);
  return clients.filter((client) => matches(hostOf(client)));
}

function isThisServer(addresses: readonly string[]): boolean {
  return addresses.some(matchAddresses(ownAddresses()));
}
