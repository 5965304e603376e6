/**
 * How every call of the control port reaches the array: refused once it is closed, taken over by another server or
 * cancelled; done with the faults that the array was told to have; and failing with an ArrayError and nothing else.
 */
import { ArrayError, BlockError } from '../../errors/index.ts';
import {
  type ArrayInfo,
  type ArrayRef,
  type ArraySnapshot,
  type ArrayVolume,
  type CallOptions,
  type CapabilityFlag,
  checkNotCancelled,
  type VolumeLocator,
} from '../../repositories/index.ts';
import { PoolFull } from './page-pool.ts';
import { saveArray } from './saved-array.ts';
import type { SimulatedSettings } from './settings.ts';
import {
  full,
  type Owner,
  type SimulatedArray,
  type StoredSnapshot,
  type StoredVolume,
} from './simulated-array.ts';
import type { SimulatedWorld } from './world.ts';

export const SIMULATED_ADAPTER = 'simulated';

export class ArraySession {
  readonly array: SimulatedArray;
  readonly world: SimulatedWorld;
  readonly settings: SimulatedSettings;
  readonly info: ArrayInfo;
  readonly #owner: Owner;
  #closed = false;

  constructor(
    world: SimulatedWorld,
    array: SimulatedArray,
    settings: SimulatedSettings,
    info: ArrayInfo,
    owner: Owner,
  ) {
    this.world = world;
    this.array = array;
    this.settings = settings;
    this.info = info;
    this.#owner = owner;
  }

  /** Ends what is open and keeps the array, unless that is another server's by now. */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    if (!this.#isOwner()) return;
    this.array.sessions.endAll();
    if (this.settings.folder === undefined) return;
    try {
      await saveArray(this.array, this.settings.folder);
    } catch (error) {
      throw arrayErrorOf(error);
    }
  }

  can(flag: CapabilityFlag): boolean {
    return this.info.capabilities[flag] !== 'no';
  }

  /** @throws ArrayError UNSUPPORTED */
  need(flag: CapabilityFlag, what: string): void {
    if (!this.can(flag)) throw new ArrayError('UNSUPPORTED', `this array has no ${what}`);
  }

  /** A call that changes nothing. */
  ask<T>(call: string, work: () => T): Promise<T> {
    return this.#run(call, false, work, undefined);
  }

  /** A call that changes the array. */
  change<T>(
    call: string,
    options: CallOptions | undefined,
    work: () => T | Promise<T>,
  ): Promise<T> {
    return this.#run(call, true, work, options?.signal);
  }

  async #run<T>(
    call: string,
    changes: boolean,
    work: () => T | Promise<T>,
    signal: AbortSignal | undefined,
  ): Promise<T> {
    this.#check(changes);
    checkNotCancelled(signal);
    try {
      return await this.array.faults.run(
        call,
        changes,
        () => {
          this.#check(changes); // somebody may have taken over while the call was on its way
          return work();
        },
        signal,
      );
    } catch (error) {
      throw arrayErrorOf(error);
    }
  }

  #check(changes: boolean): void {
    if (this.#closed) throw new ArrayError('UNREACHABLE', 'the repository is not attached');
    if (changes && !this.#isOwner()) {
      throw new ArrayError('FENCED', 'another server has taken this array over');
    }
  }

  #isOwner(): boolean {
    return this.array.owner?.epoch === this.#owner.epoch;
  }

  /** @throws ArrayError NOT_FOUND */
  volume(ref: ArrayRef): StoredVolume {
    const volume = ref.kind === 'volume' ? this.array.volumes.get(ref.nativeId) : undefined;
    if (volume === undefined) throw new ArrayError('NOT_FOUND', `there is no volume ${ref.name}`);
    return volume;
  }

  /** @throws ArrayError NOT_FOUND */
  snapshot(ref: ArrayRef): StoredSnapshot {
    const found = ref.kind === 'snapshot' ? this.array.snapshots.get(ref.nativeId) : undefined;
    if (found === undefined) throw new ArrayError('NOT_FOUND', `there is no snapshot ${ref.name}`);
    return found;
  }

  showVolume(volume: StoredVolume): ArrayVolume {
    const parent = volume.parent === undefined ? undefined : this.array.find(volume.parent);
    return {
      ref: volumeRef(volume),
      tag: volume.tag,
      size: volume.disk.size,
      allocated: volume.disk.allocatedBytes,
      thin: volume.thin,
      wwid: volume.wwid,
      parent: parent === undefined ? undefined : refOf(parent),
      locator: this.#locator(volume),
    };
  }

  showSnapshot(snapshot: StoredSnapshot): ArraySnapshot {
    return {
      ref: snapshotRef(snapshot),
      tag: snapshot.tag,
      volume: volumeRef(snapshot.volume),
      createdAt: snapshot.createdAt,
      size: snapshot.disk.size,
      unique: snapshot.disk.uniqueBytes,
      locator: this.#locator(snapshot),
    };
  }

  #locator({ id, name }: { readonly id: string; readonly name: string }): VolumeLocator {
    return {
      adapter: SIMULATED_ADAPTER,
      repository: this.#owner.repositoryId,
      volume: name,
      address: { array: this.array.name, id },
    };
  }
}

export function volumeRef({ id, name }: { readonly id: string; readonly name: string }): ArrayRef {
  return { kind: 'volume', nativeId: id, name };
}

export function snapshotRef({
  id,
  name,
}: {
  readonly id: string;
  readonly name: string;
}): ArrayRef {
  return { kind: 'snapshot', nativeId: id, name };
}

export function refOf(stored: StoredVolume | StoredSnapshot): ArrayRef {
  return 'volume' in stored ? snapshotRef(stored) : volumeRef(stored);
}

/** What the array failed with, in the words of the port. */
function arrayErrorOf(error: unknown): ArrayError | BlockError {
  // A BlockError is an answer to the data port.
  if (error instanceof ArrayError || error instanceof BlockError) return error;
  if (error instanceof PoolFull) return full();
  const message = error instanceof Error ? error.message : String(error);
  return new ArrayError('BACKEND_BUG', `the simulated array failed: ${message}`, { cause: error });
}

/** The same for the data port. */
export function blockErrorOf(error: unknown): BlockError {
  if (error instanceof BlockError) return error;
  const full = error instanceof PoolFull;
  const message = error instanceof Error ? error.message : String(error);
  return new BlockError(full ? 'ENOSPC' : 'EIO', 'open', 0, 0, message, { cause: error });
}
