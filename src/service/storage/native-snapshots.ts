/**
 * Snapshots and clones that the array makes itself. A lost answer is looked up by tag; whatever was made and
 * is not kept is deleted.
 */
import { Fault, isAnswerLost } from '../../errors/index.ts';
import type {
  ArraySnapshot,
  ArrayVolume,
  CloneControl,
  SnapshotControl,
} from '../../repositories/index.ts';
import type { ArrayVolumes, NodeVolume, RepositoryPorts } from '../../volumes/index.ts';

export interface NativeSource {
  readonly object: NodeVolume;
  readonly snapshotId: string;
  readonly name: string;
}

export class NativeSnapshots {
  readonly #arrays: ArrayVolumes;
  readonly #newId: () => string;

  constructor(arrays: ArrayVolumes, newId: () => string) {
    this.#arrays = arrays;
    this.#newId = newId;
  }

  /**
   * Of one array. Their tags are doomed already and stay so until they are kept.
   * @throws ArrayError, Fault UNSUPPORTED
   */
  async create(
    ports: RepositoryPorts,
    of: readonly NativeSource[],
    signal: AbortSignal,
  ): Promise<readonly ArraySnapshot[]> {
    const snapshots = snapshotsOf(ports);
    const requests = of.map(({ object, snapshotId, name }) => ({
      volume: object.ref,
      tag: snapshotId,
      name,
    }));
    const isGroup = ports.array.info.capabilities.groupSnapshot === 'yes';
    const batches = isGroup ? [requests] : requests.map((request) => [request]);
    const made: ArraySnapshot[] = [];
    for (const batch of batches) {
      const request = { opId: this.#newId(), of: batch };
      try {
        made.push(...(await snapshots.createSnapshots(request, { signal })));
      } catch (error) {
        if (!isAnswerLost(error)) throw error;
        for (const { tag } of batch) {
          const found = await snapshots.findSnapshot({ tag });
          if (found === undefined) {
            for (const one of batch) this.#arrays.mayCome(one.tag);
            throw error;
          }
          made.push(found);
        }
      }
    }
    return made;
  }

  /** @throws ArrayError HAS_DEPENDENTS */
  async delete(ports: RepositoryPorts, { ref }: NodeVolume): Promise<void> {
    await snapshotsOf(ports).deleteSnapshot({ ref, opId: this.#newId() });
  }

  /** @throws ArrayError, Fault UNSUPPORTED */
  async revert(
    ports: RepositoryPorts,
    volume: NodeVolume,
    snapshot: NodeVolume,
    signal: AbortSignal,
  ): Promise<ArrayVolume> {
    const snapshots = snapshotsOf(ports);
    if (snapshots.revert === undefined) throw unsupported('revert a volume');
    const request = { volume: volume.ref, snapshot: snapshot.ref, opId: this.#newId() };
    return snapshots.revert(request, { signal });
  }

  /** Its tag is doomed until it is kept. @throws ArrayError, Fault UNSUPPORTED */
  async clone(
    ports: RepositoryPorts,
    request: Omit<Parameters<CloneControl['clone']>[0], 'opId'>,
    options: Parameters<CloneControl['clone']>[1],
  ): Promise<ArrayVolume> {
    const { clones } = ports.array;
    if (clones === undefined) throw unsupported('make a linked clone');
    this.#arrays.doomed(request.tag, ports.repositoryId);
    try {
      return await clones.clone({ ...request, opId: this.#newId() }, options);
    } catch (error) {
      if (!isAnswerLost(error)) throw error;
      const found = await ports.array.findVolume({ tag: request.tag });
      if (found !== undefined) return found;
      this.#arrays.mayCome(request.tag);
      throw error;
    }
  }

  /** @throws ArrayError, Fault UNSUPPORTED */
  async split(
    ports: RepositoryPorts,
    { ref }: NodeVolume,
    options: Parameters<CloneControl['clone']>[1],
  ): Promise<ArrayVolume> {
    const split = ports.array.clones?.split;
    if (split === undefined) throw unsupported('split a clone');
    return split.call(ports.array.clones, { ref, opId: this.#newId() }, options);
  }
}

export function snapshotsOf({ array }: RepositoryPorts): SnapshotControl {
  if (array.snapshots !== undefined) return array.snapshots;
  throw unsupported('take a snapshot');
}

export function unsupported(what: string): Fault {
  return new Fault('UNSUPPORTED', `this storage cannot ${what}`, { field: 'repository' });
}
