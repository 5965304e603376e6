/**
 * The control port of a simulated array. Every call that makes something goes the same way: look by tag, compare,
 * act, read again.
 */
import { ArrayError } from '../../errors/index.ts';
import {
  type ArrayControl,
  type ArrayHealth,
  type ArrayInfo,
  type ArrayRef,
  type ArrayVolume,
  type CallOptions,
  type CloneControl,
  type CreateVolume,
  checkArrayName,
  checkGrows,
  type MaskingControl,
  type Mutation,
  type Page,
  pageAfter,
  type ReplicationControl,
  type RepositorySpace,
  roundedSize,
  type SnapshotControl,
} from '../../repositories/index.ts';
import { answerQuestion } from './answer-question.ts';
import { type ArraySession, refOf } from './array-session.ts';
import { checkNameIsFree, findByTag } from './look-up.ts';
import { simulatedClones } from './simulated-clones.ts';
import { simulatedMasking } from './simulated-masking.ts';
import { simulatedReplication } from './simulated-replication.ts';
import { simulatedSnapshots } from './simulated-snapshots.ts';

export class SimulatedControl implements ArrayControl {
  readonly info: ArrayInfo;
  readonly snapshots: SnapshotControl | undefined;
  readonly clones: CloneControl | undefined;
  readonly masking: MaskingControl | undefined;
  readonly replication: ReplicationControl | undefined;
  readonly #session: ArraySession;

  constructor(session: ArraySession) {
    this.#session = session;
    this.info = session.info;
    this.snapshots = session.can('snapshot') ? simulatedSnapshots(session) : undefined;
    const clones = session.can('cloneLinked') || session.can('cloneFull');
    this.clones = clones ? simulatedClones(session) : undefined;
    this.masking = session.can('maskIqn') ? simulatedMasking(session) : undefined;
    this.replication = session.can('replicate') ? simulatedReplication(session) : undefined;
  }

  space(): Promise<RepositorySpace & { readonly provisioned: number }> {
    const { pool, volumes } = this.#session.array;
    return this.#session.ask('space', () => {
      const sizes = [...volumes.values()].map(({ disk }) => disk.size);
      return {
        total: pool.capacityBytes,
        free: pool.capacityBytes - pool.usedBytes,
        provisioned: sizes.reduce((sum, size) => sum + size, 0),
      };
    });
  }

  health(): Promise<ArrayHealth> {
    const { array, settings } = this.#session;
    return this.#session.ask('health', () => {
      const paths = settings.portals.map((name) => ({ name, up: !array.pathsDown.has(name) }));
      const down = paths.filter(({ up }) => !up);
      const messages = down.map(({ name }) => `portal ${name} does not answer`);
      if (down.length === 0) return { state: 'good', messages, paths };
      return { state: down.length === paths.length ? 'failed' : 'degraded', messages, paths };
    });
  }

  createVolume(request: CreateVolume, options?: CallOptions): Promise<ArrayVolume> {
    const { array } = this.#session;
    return this.#session.change('createVolume', options, () => {
      const size = roundedSize(request.size, this.info.limits);
      checkArrayName(request.name, this.info.limits);
      const there = findByTag(array.volumes.values(), request.tag);
      if (there !== undefined) {
        if (there.disk.size === size && there.thin === request.thin) {
          return this.#session.showVolume(there);
        }
        throw new ArrayError(
          'ALREADY_EXISTS_DIFFERENT',
          `there is a volume ${there.name} with this tag and another size or thinness`,
        );
      }
      if (request.thin) this.#session.need('thin', 'thin volumes');
      else this.#session.need('thick', 'thick volumes');
      checkNameIsFree(array, request.name);
      const made = array.addVolume({ ...request, size });
      return this.#session.showVolume(this.#session.volume(refOf(made)));
    });
  }

  deleteVolume(
    request: Mutation & { readonly ref: ArrayRef },
    options?: CallOptions,
  ): Promise<void> {
    const { array } = this.#session;
    return this.#session.change('deleteVolume', options, () => {
      const volume = array.volumes.get(request.ref.nativeId);
      if (volume === undefined) return;
      const { id, name } = volume;
      const users = [
        ...array.mappingsOf(id).map(({ host }) => host.name),
        ...array.sessions.of(id).map(({ initiator }) => initiator),
      ];
      if (users.length > 0) {
        throw new ArrayError('IN_USE', `volume ${name} is in use`, { refs: [...new Set(users)] });
      }
      if (volume.link !== undefined) {
        throw new ArrayError('IN_USE', `volume ${name} is replicated`, { refs: [volume.link.id] });
      }
      const dependents = [...array.snapshotsOf(id), ...array.clonesOf(id)];
      if (dependents.length > 0 && !this.#session.can('promoteDependents')) {
        throw new ArrayError('HAS_DEPENDENTS', `volume ${name} has snapshots or clones`, {
          refs: dependents.map((each) => each.name),
        });
      }
      for (const clone of array.clonesOf(id)) clone.parent = undefined;
      array.removeVolume(id);
    });
  }

  resizeVolume(
    request: Mutation & { readonly ref: ArrayRef; readonly size: number },
    options?: CallOptions,
  ): Promise<ArrayVolume> {
    return this.#session.change('resizeVolume', options, () => {
      const online = this.#session.can('resizeOnline');
      if (!online) this.#session.need('resizeOffline', 'resizing');
      const size = roundedSize(request.size, this.info.limits);
      const volume = this.#session.volume(request.ref);
      checkGrows(size, volume.disk.size);
      const users = this.#session.array.sessions.of(volume.id).map(({ initiator }) => initiator);
      if (users.length > 0 && !online) {
        const message = `volume ${volume.name} can grow only while nobody has it open`;
        throw new ArrayError('IN_USE', message, { refs: users });
      }
      if (size > volume.disk.size) this.#session.array.growVolume(volume, size);
      return this.#session.showVolume(volume);
    });
  }

  findVolume(
    by: { readonly ref: ArrayRef } | { readonly tag: string },
  ): Promise<ArrayVolume | undefined> {
    const { volumes } = this.#session.array;
    return this.#session.ask('findVolume', () => {
      const found =
        'tag' in by ? findByTag(volumes.values(), by.tag) : volumes.get(by.ref.nativeId);
      return found === undefined ? undefined : this.#session.showVolume(found);
    });
  }

  listVolumes(query: {
    readonly ownedOnly: boolean;
    readonly cursor?: string;
  }): Promise<Page<ArrayVolume>> {
    const { array, settings } = this.#session;
    return this.#session.ask('listVolumes', () => {
      const all = [...array.volumes.values()].filter(
        ({ tag }) => tag !== undefined || !query.ownedOnly,
      );
      const page = pageAfter(all, ({ id }) => id, query.cursor, settings.pageItems);
      return { ...page, items: page.items.map((each) => this.#session.showVolume(each)) };
    });
  }

  adoptVolume(
    request: Mutation & { readonly ref: ArrayRef; readonly tag: string },
  ): Promise<ArrayVolume> {
    return this.#session.change('adoptVolume', undefined, () => {
      this.#session.need('adopt', 'adopting');
      const volume = this.#session.volume(request.ref);
      if (volume.tag !== undefined && volume.tag !== request.tag) {
        throw new ArrayError('ALREADY_MANAGED', `volume ${volume.name} has another tag`);
      }
      const other = findByTag(this.#session.array.volumes.values(), request.tag);
      if (other !== undefined && other !== volume) {
        throw new ArrayError('ALREADY_EXISTS_DIFFERENT', `volume ${other.name} has this tag`);
      }
      volume.tag = request.tag;
      return this.#session.showVolume(volume);
    });
  }

  releaseVolume(request: Mutation & { readonly ref: ArrayRef }): Promise<void> {
    return this.#session.change('releaseVolume', undefined, () => {
      const volume = this.#session.array.volumes.get(request.ref.nativeId);
      if (volume !== undefined) volume.tag = undefined;
    });
  }

  answer(question: unknown): Promise<unknown> {
    return answerQuestion(this.#session, question);
  }

  async close(): Promise<void> {
    await this.#session.close();
  }
}
