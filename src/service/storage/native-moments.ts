import type { VolumeName } from '../../control/index.ts';
import { Fault } from '../../errors/index.ts';
import type { ArraySnapshot } from '../../repositories/index.ts';
import { objectOf } from './handles.ts';
import { SNAPSHOT_TIME_MAX } from './limits.ts';
import type { StorageParts } from './storage-parts.ts';
import type { VolumeOperations } from './volume-operations.ts';

export interface Wanted {
  readonly volume: VolumeName;
  readonly snapshotId: string;
  readonly name: string;
}

/** Snapshots that arrays have made, and the calls by which they do. */
export interface Taken {
  readonly snapshots: Map<string, ArraySnapshot>;
  readonly calls: Promise<unknown>[];
}

export function nothingTaken(): Taken {
  return { snapshots: new Map(), calls: [] };
}

/** Snapshots that arrays take while we hold their volumes. */
export class NativeMoments {
  readonly #parts: Pick<StorageParts, 'repositories' | 'native' | 'troubled'>;
  readonly #volumes: Pick<VolumeOperations, 'undo'>;

  constructor(
    parts: Pick<StorageParts, 'repositories' | 'native' | 'troubled'>,
    volumes: Pick<VolumeOperations, 'undo'>,
  ) {
    this.#parts = parts;
    this.#volumes = volumes;
  }

  /** While all of them are held; within the time that their users may be held. */
  async take(of: readonly Wanted[], taken: Taken, signal: AbortSignal): Promise<void> {
    const limited = AbortSignal.any([signal, AbortSignal.timeout(SNAPSHOT_TIME_MAX)]);
    const byRepository = Map.groupBy(of, ({ volume }) => volume.repositoryId);
    for (const [repositoryId, requests] of byRepository) {
      const ports = this.#parts.repositories.of(repositoryId);
      const sources = requests.map(({ volume, snapshotId, name }) => ({
        object: objectOf(volume.handle),
        ...{ snapshotId, name },
      }));
      const taking = this.#parts.native.create(ports, sources, limited);
      taken.calls.push(taking);
      for (const [at, snapshot] of (await orAborted(taking, limited)).entries()) {
        const id = snapshot.tag ?? requests[at]?.snapshotId;
        if (id !== undefined) taken.snapshots.set(id, snapshot);
      }
    }
  }

  /** When the array has answered for the last of them: what comes late is deleted as well. Never throws. */
  async undo(of: readonly Wanted[], { calls }: Taken): Promise<void> {
    await Promise.allSettled(calls);
    for (const { volume, snapshotId } of of) {
      const { repositories, troubled } = this.#parts;
      try {
        await this.#volumes.undo(repositories.of(volume.repositoryId), snapshotId);
      } catch (error) {
        // It was detached meanwhile: what is there is deleted when it is attached again.
        troubled(`deleting ${snapshotId}`, error);
      }
    }
  }
}

/** The call goes on by itself, and what it makes is deleted by its tag. @throws Fault UNAVAILABLE */
async function orAborted<T>(call: Promise<T>, signal: AbortSignal): Promise<T> {
  const aborted = Promise.withResolvers<never>();
  const refuse = (): void =>
    aborted.reject(new Fault('UNAVAILABLE', 'the array took too long to take a snapshot'));
  signal.addEventListener('abort', refuse, { once: true });
  try {
    return await Promise.race([call, aborted.promise]);
  } finally {
    signal.removeEventListener('abort', refuse);
    call.catch(() => undefined);
  }
}
