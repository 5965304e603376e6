/**
 * Making and deleting volumes of arrays so that nothing is ever made twice, and nothing is left behind:
 * a tag is written down before the array is asked, and taken back together with the record of what was
 * made. Whatever tag is still there after a crash names what must go.
 */
import { isAnswerLost } from '../errors/index.ts';
import type {
  ArrayControl,
  ArrayRef,
  ArrayVolume,
  CallOptions,
  VolumeData,
} from '../repositories/index.ts';
import type { NodeStore, NodeVolume } from './nodes.ts';

/** Both ports of an attached repository. */
export interface RepositoryPorts {
  readonly repositoryId: string;
  readonly array: ArrayControl;
  /** In this thread. */
  readonly data: VolumeData;
}

/** Of a leftover: what may have our tag although no record has it, and is kept. No tag begins like that. */
const ADOPTION = 'adoption:';

/** What is written on the array's object that a leftover stands for. */
export function tagOfLeftover(leftover: string): string {
  return leftover.startsWith(ADOPTION) ? leftover.slice(ADOPTION.length) : leftover;
}

export interface NewVolume {
  readonly tag: string;
  readonly name: string;
  /** Bytes. */
  readonly size: number;
  readonly thin: boolean;
}

export class ArrayVolumes {
  readonly #store: NodeStore;
  readonly #newId: () => string;
  /** Being made, by a call that goes on: no leftovers of a crash. */
  readonly #making = new Set<string>();
  /** The array may make them still: that there is nothing now says nothing. */
  readonly #uncertain = new Set<string>();

  constructor(store: NodeStore, newId: () => string) {
    this.#store = store;
    this.#newId = newId;
  }

  /**
   * The tag stays a leftover until `kept` is called, in the transaction that records the volume.
   * @throws ArrayError
   */
  async create(
    { repositoryId, array }: RepositoryPorts,
    volume: NewVolume,
    options: CallOptions = {},
  ): Promise<ArrayVolume> {
    this.#store.addLeftover(volume.tag, repositoryId);
    this.#making.add(volume.tag);
    const request = { ...volume, opId: this.#newId() };
    try {
      return await array.createVolume(request, options);
    } catch (error) {
      if (!isAnswerLost(error)) throw error;
      const found = await array.findVolume({ tag: volume.tag });
      if (found !== undefined) return found;
      this.mayCome(volume.tag);
      throw error;
    }
  }

  /**
   * Writes the tag on what is there. A crash before `adopted` takes it off again: it is not ours to delete.
   * @throws ArrayError
   */
  async adopt(
    { repositoryId, array }: RepositoryPorts,
    ref: ArrayRef,
    tag: string,
  ): Promise<ArrayVolume> {
    const leftover = ADOPTION + tag;
    this.#store.addLeftover(leftover, repositoryId);
    this.#making.add(leftover);
    return await array.adoptVolume({ ref, tag, opId: this.#newId() });
  }

  /** It has a record now. */
  adopted(tag: string): void {
    this.kept(ADOPTION + tag);
  }

  /** Without a record it is a stranger's, as it was. @throws ArrayError; it is tried again at the next sweep */
  async release({ array }: RepositoryPorts, tag: string): Promise<void> {
    this.#making.delete(ADOPTION + tag);
    const found = await array.findVolume({ tag });
    if (found !== undefined) await array.releaseVolume({ ref: found.ref, opId: this.#newId() });
    this.#store.removeLeftover(ADOPTION + tag);
  }

  /** It is not there, and nobody knows whether it will be: it stays a leftover until the next sweep. */
  mayCome(tag: string): void {
    this.#uncertain.add(tag);
  }

  /** It has a record now. */
  kept(tag: string): void {
    this.#making.delete(tag);
    this.#store.removeLeftover(tag);
  }

  /** Its record is going: within that transaction. Nobody makes it any more. */
  doomed(tag: string, repositoryId: string): void {
    this.#making.delete(tag);
    this.#store.addLeftover(tag, repositoryId);
  }

  /** Deletes what is doomed, or was never kept. @throws ArrayError; it is tried again at the next sweep */
  async delete({ array }: RepositoryPorts, tag: string): Promise<void> {
    this.#making.delete(tag);
    const found = await array.findVolume({ tag });
    if (found !== undefined) {
      await array.deleteVolume({ ref: found.ref, opId: this.#newId() });
    } else {
      const snapshot = await array.snapshots?.findSnapshot({ tag });
      if (snapshot !== undefined) {
        await array.snapshots?.deleteSnapshot({ ref: snapshot.ref, opId: this.#newId() });
      } else if (this.#uncertain.has(tag)) {
        return;
      }
    }
    this.#store.removeLeftover(tag);
  }

  /** What a crash has left. @returns what could not be deleted, and why */
  async sweep(
    ports: RepositoryPorts,
  ): Promise<readonly { readonly tag: string; readonly error: unknown }[]> {
    const failures: { tag: string; error: unknown }[] = [];
    for (const tag of this.#store.leftovers(ports.repositoryId)) {
      if (this.#making.has(tag)) continue;
      this.#uncertain.delete(tag);
      try {
        if (tag.startsWith(ADOPTION)) await this.release(ports, tag.slice(ADOPTION.length));
        else await this.delete(ports, tag);
      } catch (error) {
        failures.push({ tag, error });
      }
    }
    return failures;
  }
}

export function nodeVolume(tag: string, { ref, locator }: ArrayVolume): NodeVolume {
  return { tag, ref, locator };
}
