/**
 * What clients have read and written of the volumes of each repository since the start, over NBD: workers say it by the
 * name of the export, and whose volume that is was known when it was opened.
 */
import type { StackPlan, VolumePlan } from '../exports/index.ts';
import type { ThroughputPort, Transferred } from '../xenapi/index.ts';
import { MAX_FOLLOWED_EXPORTS } from './limits.ts';
import { sum, type Transfers } from './workers/transferred.ts';

export class RepositoryFigures implements ThroughputPort {
  /** By the name of the export, the one that was opened longest ago first. */
  readonly #repositoryOf = new Map<string, string>();
  readonly #byRepository = new Map<string, Transferred>();

  /** It is opened. @returns the same plan */
  opened(plan: StackPlan): StackPlan {
    const repositoryId = plan.volume === undefined ? undefined : repositoryOf(plan);
    if (repositoryId === undefined) return plan;
    this.#repositoryOf.delete(plan.name); // it is the newest now
    this.#repositoryOf.set(plan.name, repositoryId);
    for (const name of this.#repositoryOf.keys()) {
      if (this.#repositoryOf.size <= MAX_FOLLOWED_EXPORTS) break;
      this.#repositoryOf.delete(name);
    }
    return plan;
  }

  add(exports: Transfers): void {
    for (const [name, passed] of exports) {
      const id = this.#repositoryOf.get(name);
      if (id === undefined) continue; // of a vDisk, or a machine: those are counted by their write caches
      const before = this.#byRepository.get(id);
      this.#byRepository.set(id, before === undefined ? passed : sum(before, passed));
    }
  }

  ofRepositories(): ReadonlyMap<string, Transferred> {
    return this.#byRepository;
  }
}

/** undefined: the service's own folder. */
function repositoryOf({ volume }: VolumePlan): string | undefined {
  if (volume.kind === 'plain') return volume.locator.repository;
  return (volume.overlay?.data ?? volume.chain.layers.at(-1)?.volume)?.repository;
}
