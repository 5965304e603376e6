/**
 * This service's own way to its volumes: what a data port asks for when it opens one. A volume that is mapped to this
 * server's initiator name is reached by that mapping; any other is opened to that name for as long as somebody has it
 * open, which is no mapping that anybody sees.
 */
import type { KeyedMutex } from '../../base/index.ts';
import { ArrayError, BlockError } from '../../errors/index.ts';
import type { Targets } from './targets.ts';
import type { StoredVolume, VolumeStore } from './volume-store.ts';

export interface ChapAccount {
  readonly user: string;
  readonly password: string;
}

/** What is needed to log in; stays inside this service. */
export interface OwnPath {
  readonly chap: (ChapAccount & { readonly mutual: ChapAccount | undefined }) | undefined;
}

type OwnPathStore = Pick<VolumeStore, 'get' | 'fenced' | 'passwords'>;
type OwnPathTargets = Pick<Targets, 'isPassing' | 'setPassing' | 'mend'>;

interface Uses {
  readers: number;
  writers: number;
}

export class OwnPaths {
  readonly #store: OwnPathStore;
  readonly #targets: OwnPathTargets;
  readonly #initiatorName: string;
  readonly #turns: KeyedMutex;
  readonly #uses = new Map<string, Uses>();

  constructor(
    store: OwnPathStore,
    targets: OwnPathTargets,
    initiatorName: string,
    turns: KeyedMutex,
  ) {
    this.#store = store;
    this.#targets = targets;
    this.#initiatorName = initiatorName;
    this.#turns = turns;
  }

  /** @throws ArrayError NOT_FOUND, FENCED, IN_USE; BlockError EINVAL */
  answer(value: unknown): Promise<OwnPath | undefined> {
    const { ask, volume, write } = (value ?? {}) as Record<string, unknown>;
    if (typeof volume !== 'string' || typeof write !== 'boolean') {
      throw new BlockError('EINVAL', 'open', 0, 0, 'not a question that this repository knows');
    }
    return this.#turns.run('tgt', () =>
      ask === 'open' ? this.#open(volume, write) : this.#release(volume, write),
    );
  }

  async #open(id: string, write: boolean): Promise<OwnPath> {
    const volume = this.#store.get(id);
    if (volume === undefined) throw new ArrayError('NOT_FOUND', `there is no volume ${id}`);
    if (this.#store.fenced.includes(this.#initiatorName)) {
      throw new ArrayError('FENCED', 'this server is fenced');
    }
    const mapping = this.#mappingOf(volume);
    if (mapping !== undefined) {
      if (write && mapping.mode === 'ro') {
        throw new ArrayError('PERMISSION_DENIED', `${volume.name} is mapped to be read only`);
      }
    } else if (volume.mappings.length > 0) {
      throw new ArrayError('EXCLUSIVE_ATTACHED', `${volume.name} is mapped to another host`, {
        refs: volume.mappings.map(({ host }) => host),
      });
    }
    const uses = this.#uses.get(id) ?? { readers: 0, writers: 0 };
    this.#uses.set(id, uses);
    if (write) uses.writers += 1;
    else uses.readers += 1;
    try {
      await this.#bind(volume, uses);
      return { chap: await this.#chapOf(volume) };
    } catch (error) {
      // Whoever asked does not have it open, and will not give it back.
      await this.#release(id, write).catch(() => undefined);
      throw error;
    }
  }

  async #release(id: string, write: boolean): Promise<undefined> {
    const uses = this.#uses.get(id);
    const volume = this.#store.get(id);
    if (uses === undefined || volume === undefined) return undefined;
    if (write) uses.writers -= 1;
    else uses.readers -= 1;
    await this.#bind(volume, uses);
    return undefined;
  }

  async #bind(volume: StoredVolume, uses: Uses): Promise<void> {
    const open = uses.readers + uses.writers > 0;
    if (!open) this.#uses.delete(volume.id);
    const passing = open && this.#mappingOf(volume) === undefined;
    if (!passing && !this.#targets.isPassing(volume.id)) return;
    const who = { iqn: this.#initiatorName, write: uses.writers > 0 };
    this.#targets.setPassing(volume.id, passing ? who : undefined);
    await this.#targets.mend(volume);
  }

  #mappingOf(volume: StoredVolume): StoredVolume['mappings'][number] | undefined {
    return volume.mappings.find(({ iqns }) => iqns.includes(this.#initiatorName));
  }

  async #chapOf(volume: StoredVolume): Promise<OwnPath['chap']> {
    const mapping = this.#mappingOf(volume);
    if (mapping?.user === undefined) return undefined;
    const passwords = await this.#store.passwords(volume.id);
    const account = (user: string): ChapAccount => ({ user, password: passwords[user] ?? '' });
    const mutual = mapping.mutualUser === undefined ? undefined : account(mapping.mutualUser);
    return { ...account(mapping.user), mutual };
  }
}
