/** What repositories said of their space last, by their ids; and who is told when they say something else. */
import type { RepositorySpaceNow } from '../storage-port.ts';

export interface MeasuredSpace extends RepositorySpaceNow {
  /** Milliseconds since the epoch. */
  readonly measuredAt: number;
  /** Storage.deviceSize of that moment. */
  readonly deviceSize: number | undefined;
}

export class MeasuredSpaces {
  readonly #spaces = new Map<string, MeasuredSpace>();
  readonly #followers = new Set<(repositoryId: string) => void>();

  get(repositoryId: string): MeasuredSpace | undefined {
    return this.#spaces.get(repositoryId);
  }

  set(repositoryId: string, space: MeasuredSpace): void {
    const before = this.#spaces.get(repositoryId);
    this.#spaces.set(repositoryId, space);
    const isSame =
      before?.total === space.total &&
      before.free === space.free &&
      before.provisioned === space.provisioned;
    if (!isSame) this.#tell(repositoryId);
  }

  /** It is not known any more. */
  delete(repositoryId: string): void {
    if (this.#spaces.delete(repositoryId)) this.#tell(repositoryId);
  }

  /** @param told in the transaction that measured: it must not write. @returns ends it */
  follow(told: (repositoryId: string) => void): () => void {
    this.#followers.add(told);
    return () => this.#followers.delete(told);
  }

  #tell(repositoryId: string): void {
    for (const told of this.#followers) told(repositoryId);
  }
}
