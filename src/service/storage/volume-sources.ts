import type { BlockDevice } from '../../block/index.ts';
import { BlockError } from '../../errors/index.ts';
import type {
  AdapterParts,
  Connection,
  VolumeData,
  VolumeLocator,
} from '../../repositories/index.ts';
import type { AdapterOf } from './adapters.ts';

/** The data ports of one thread: a locator goes to the repository that it names, or to the service's own. */
export class VolumeSources implements VolumeData {
  readonly #own: VolumeData;
  readonly #adapterOf: AdapterOf;
  readonly #parts: AdapterParts;
  readonly #ask: (repositoryId: string, question: unknown) => Promise<unknown>;
  readonly #connected = new Map<string, VolumeData>();

  constructor(options: {
    readonly own: VolumeData;
    readonly adapterOf: AdapterOf;
    readonly parts: AdapterParts;
    readonly ask: (repositoryId: string, question: unknown) => Promise<unknown>;
  }) {
    this.#own = options.own;
    this.#adapterOf = options.adapterOf;
    this.#parts = options.parts;
    this.#ask = options.ask;
  }

  /** From now on its volumes can be opened. Nothing is connected until one is. */
  connect(kind: string, connection: Connection): void {
    const { repositoryId } = connection;
    const adapter = this.#adapterOf(kind);
    if (adapter === undefined || this.#connected.has(repositoryId)) return;
    const ask = (question: unknown): Promise<unknown> => this.#ask(repositoryId, question);
    this.#connected.set(repositoryId, adapter.openData(connection, this.#parts, ask));
  }

  /** Handles that are still open fail from now on. Never throws. */
  async disconnect(repositoryId: string): Promise<void> {
    const data = this.#connected.get(repositoryId);
    this.#connected.delete(repositoryId);
    try {
      await data?.close?.();
    } catch (err) {
      this.#parts.log.warn({ err, repositoryId }, 'ending the sessions of a repository');
    }
  }

  open(locator: VolumeLocator, options: { readonly write: boolean }): Promise<BlockDevice> {
    const { repository } = locator;
    if (repository === undefined) return this.#own.open(locator, options);
    const data = this.#connected.get(repository);
    if (data !== undefined) return data.open(locator, options);
    const detail = `repository ${repository} is not attached`;
    return Promise.reject(new BlockError('ESHUTDOWN', 'open', 0, 0, detail));
  }
}
