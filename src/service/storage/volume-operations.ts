/** Volumes: made, grown, deleted, adopted, mapped to hosts. */
import type {
  Call,
  ForeignVolume,
  Storage,
  StoredVolume,
  VolumeLive,
  VolumeMapping,
  VolumeName,
} from '../../control/index.ts';
import { Fault } from '../../errors/index.ts';
import {
  type ArrayMapping,
  type ArrayVolume,
  everyVolume,
  type MaskingControl,
} from '../../repositories/index.ts';
import { type NodeVolume, refuseShrink, roundedSize, volumeKey } from '../../volumes/index.ts';
import type { AttachedArray } from './attached-repositories.ts';
import { objectOf, storedArray, storedLayers } from './handles.ts';
import { knownTags } from './known-tags.ts';
import { unsupported } from './native-snapshots.ts';
import type { StorageParts } from './storage-parts.ts';

type Argument<Name extends keyof Storage> = Storage[Name] extends (
  ...rest: infer Rest extends [unknown, ...unknown[]]
) => unknown
  ? Rest[0]
  : never;

export class VolumeOperations {
  readonly #parts: StorageParts;

  constructor(parts: StorageParts) {
    this.#parts = parts;
  }

  async create<T>(
    request: Argument<'createVolume'>,
    keep: (volume: StoredVolume) => T,
    call: Call,
  ): Promise<T> {
    const { arrays } = this.#parts;
    const ports = this.#parts.repositories.of(request.repositoryId);
    const { name, thin, volumeId: tag } = request;
    const size = roundedSize(ports, request.size);
    try {
      const volume = await arrays.create(ports, { tag, name, thin, size }, call);
      return this.#parts.catalog.transaction(() => {
        arrays.kept(tag);
        return keep(storedArray(tag, volume));
      });
    } catch (error) {
      await this.undo(ports, tag);
      throw error;
    }
  }

  async delete(volume: VolumeName, keep: () => void): Promise<void> {
    const { trees, open, changes, newId, repositories } = this.#parts;
    const { volumeId: id, handle } = volume;
    if (trees.has(id)) return trees.deleteVolume(id, keep);
    const key = volumeKey(id);
    await open.lock([key], async () => {
      open.refuseOpen(key, 'the volume');
      const ports = repositories.of(volume.repositoryId);
      const request = { ref: objectOf(handle).ref, opId: newId() };
      const ask = (): Promise<void> => ports.array.deleteVolume(request);
      await changes.delete(ports, { kind: 'volume', id, handle }, ask, keep);
    });
  }

  async resize<T>(
    volume: VolumeName,
    size: number,
    keep: (volume: StoredVolume) => T,
    call: Call,
  ): Promise<T> {
    const { trees, open, changes, newId, repositories } = this.#parts;
    if (trees.has(volume.volumeId)) {
      const layered = this.layered(volume);
      return trees.grow(layered, size, (grown) => keep(storedLayers(grown)));
    }
    const ports = repositories.of(volume.repositoryId);
    const { ref } = objectOf(volume.handle);
    const key = volumeKey(volume.volumeId);
    const rounded = roundedSize(ports, size);
    refuseShrink(this.layered(volume).plain.size, rounded);
    return open.lock([key], async () => {
      if (ports.capabilities.resizeOnline === 'no') open.refuseOpen(key, 'the volume');
      const request = { ref, size: rounded, opId: newId() };
      const ask = (): Promise<ArrayVolume> => ports.array.resizeVolume(request, call);
      const isDone = (found: ArrayVolume): boolean => found.size >= rounded;
      return changes.change(ports, volume, { ask, isDone }, keep);
    });
  }

  async listForeign(repositoryId: string): Promise<readonly ForeignVolume[]> {
    const { catalog, repositories } = this.#parts;
    const { array } = repositories.of(repositoryId);
    const foreign: ForeignVolume[] = [];
    // What is deleted meanwhile, and may be listed still, was known before; what is made meanwhile is afterwards.
    const before = knownTags(catalog, repositoryId);
    const found: ArrayVolume[] = [];
    for await (const volume of everyVolume(array, { ownedOnly: false })) found.push(volume);
    const after = knownTags(catalog, repositoryId);
    for (const { tag, ref, size, wwid } of found) {
      if (tag !== undefined && (before.has(tag) || after.has(tag))) continue;
      foreign.push({ nativeId: ref.nativeId, name: ref.name, size, wwid, tag });
    }
    return foreign;
  }

  async adopt<T>(request: Argument<'adopt'>, keep: (volume: StoredVolume) => T): Promise<T> {
    const { repositoryId, volumeId } = request;
    const { repositories, catalog, newId } = this.#parts;
    const ports = repositories.of(repositoryId);
    const found = await findNative(ports, request);
    this.#refuseKnown(repositoryId, found);
    // One that was ours, and that nobody here knows any more, keeps its tag, whatever becomes of this.
    const { tag } = found;
    if (tag !== undefined) {
      // Arrays that hold nothing but ours adopt nothing.
      const adopted =
        ports.capabilities.adopt === 'no'
          ? found
          : await ports.array.adoptVolume({ ref: found.ref, tag, opId: newId() });
      return catalog.transaction(() => {
        this.#refuseKnown(repositoryId, adopted);
        return keep(storedArray(tag, adopted));
      });
    }
    return await this.#adoptStranger(ports, found.ref, volumeId, keep);
  }

  async #adoptStranger<T>(
    ports: AttachedArray,
    ref: ArrayVolume['ref'],
    volumeId: string,
    keep: (volume: StoredVolume) => T,
  ): Promise<T> {
    const { arrays, catalog } = this.#parts;
    const { repositoryId } = ports;
    try {
      const adopted = await arrays.adopt(ports, ref, volumeId);
      return catalog.transaction(() => {
        arrays.adopted(volumeId);
        return keep(storedArray(volumeId, adopted));
      });
    } catch (error) {
      await arrays.release(ports, volumeId).catch((failure: unknown) => {
        this.#parts.troubled(`releasing ${volumeId} in repository ${repositoryId}`, failure);
      });
      throw error;
    }
  }

  #isKnown(repositoryId: string, tag: string | undefined): boolean {
    return tag !== undefined && knownTags(this.#parts.catalog, repositoryId).has(tag);
  }

  #refuseKnown(repositoryId: string, { tag, ref }: ArrayVolume): void {
    if (!this.#isKnown(repositoryId, tag)) return;
    throw new Fault('ALREADY_EXISTS', `volume ${ref.name} is ours already`, {
      field: 'nativeId',
      value: ref.nativeId,
      expected: 'one of `rootcast volume foreign`',
    });
  }

  async live(volume: VolumeName): Promise<VolumeLive> {
    const { catalog, repositories } = this.#parts;
    const { array } = repositories.of(volume.repositoryId);
    const connections = this.#parts.connections(volume.volumeId);
    const head = catalog.volumeNodes.ofVolume(volume.volumeId);
    const { ref } = head?.data ?? objectOf(volume.handle);
    const found = await array.findVolume({ ref });
    if (found === undefined) throw goneVolume(ref.name);
    return { connections, allocated: found.allocated };
  }

  async map(volume: VolumeName, request: Parameters<Storage['map']>[1]): Promise<VolumeMapping> {
    const { masking, object } = this.#maskingOf(volume);
    const { newId } = this.#parts;
    const mapping = await masking.map({ ...request, volume: object.ref, opId: newId() });
    return told(mapping);
  }

  async unmap(
    volume: VolumeName,
    host: string | undefined,
    { force }: { readonly force: boolean },
  ): Promise<void> {
    const { masking, object } = this.#maskingOf(volume);
    const { newId } = this.#parts;
    const named = host === undefined ? {} : { host };
    await masking.unmap({ volume: object.ref, ...named, force, opId: newId() });
  }

  async mappings(volume: VolumeName): Promise<readonly VolumeMapping[]> {
    const { array } = this.#parts.repositories.of(volume.repositoryId);
    if (array.masking === undefined || this.#parts.trees.has(volume.volumeId)) return [];
    const { ref } = objectOf(volume.handle);
    return (await array.masking.listMappings({ volume: ref })).map(told);
  }

  /** Snapshots by layers change what a host would read past us. @throws Fault IN_USE */
  async refuseMapped(volume: VolumeName): Promise<void> {
    const mapped = await this.mappings(volume);
    if (mapped.length === 0) return;
    const hosts = mapped.map(({ host }) => host).join(', ');
    throw new Fault(
      'IN_USE',
      `the volume is mapped to ${hosts}: what layers hold only Rootcast reads`,
      {
        field: 'volume',
        value: hosts,
        expected: 'a volume that is mapped to no host',
      },
    );
  }

  /** A host that has it open for writing would not know what became of it. @throws Fault IN_USE */
  async refuseUsed(volume: VolumeName): Promise<void> {
    const mapped = await this.mappings(volume);
    const users = mapped.filter(({ mode, sessions }) => mode === 'rw' && sessions.length > 0);
    if (users.length === 0) return;
    const hosts = users.map(({ host }) => host).join(', ');
    throw new Fault('IN_USE', `hosts have the volume open: ${hosts}`, {
      field: 'volume',
      value: hosts,
      expected: 'a volume that no host has a session with',
    });
  }

  /** As layers know it. */
  layered({ repositoryId, volumeId, handle }: VolumeName) {
    const { catalog } = this.#parts;
    const head = catalog.volumeNodes.ofVolume(volumeId);
    if (head !== undefined) {
      return { repositoryId, volumeId, plain: { volume: head.data, size: head.size } };
    }
    const size = catalog.volumes.byId(volumeId)?.size;
    if (size === undefined) throw goneVolume(volumeId);
    return { repositoryId, volumeId, plain: { volume: objectOf(handle), size } };
  }

  /** What was made and not kept. Never throws. */
  async undo(ports: AttachedArray, tag: string): Promise<void> {
    try {
      await this.#parts.arrays.delete(ports, tag);
    } catch (error) {
      this.#parts.troubled(`deleting ${tag} in repository ${ports.repositoryId}`, error);
    }
  }

  #maskingOf(volume: VolumeName): { masking: MaskingControl; object: NodeVolume } {
    const { masking } = this.#parts.repositories.of(volume.repositoryId).array;
    if (masking === undefined) throw unsupported('map volumes to hosts');
    if (this.#parts.trees.has(volume.volumeId)) {
      throw new Fault(
        'UNSUPPORTED',
        'a volume whose snapshots are layers can be read by Rootcast only',
        {
          field: 'volume',
          value: volume.volumeId,
          expected: 'a volume without emulated snapshots',
        },
      );
    }
    return { masking, object: objectOf(volume.handle) };
  }
}

function told({ host, mode, lun, sessions, target }: ArrayMapping): VolumeMapping {
  const { portals, iqn, path } = target;
  return { host, mode, lun, sessions, portals, iqn, path };
}

/** @throws Fault NOT_FOUND */
async function findNative(
  { array }: AttachedArray,
  { nativeId, tag }: Argument<'adopt'>,
): Promise<ArrayVolume> {
  if (tag !== undefined) {
    const tagged = await array.findVolume({ tag });
    if (tagged?.ref.nativeId === nativeId) return tagged;
  }
  for await (const volume of everyVolume(array, { ownedOnly: false })) {
    if (volume.ref.nativeId === nativeId) return volume;
  }
  const details = { field: 'nativeId', value: nativeId };
  throw new Fault('NOT_FOUND', `the array has no volume ${nativeId}`, details);
}

function goneVolume(name: string): Fault {
  return new Fault('NOT_FOUND', `there is no volume ${name}`, { field: 'volume', value: name });
}
