/** The repositories that are attached: their arrays' control ports, and the data ports of this thread. */
import { KeyedMutex } from '../../base/index.ts';
import type { AttachRequest } from '../../control/index.ts';
import { BlockError, Fault } from '../../errors/index.ts';
import type {
  Adapter,
  AdapterParts,
  ArrayControl,
  CapabilitySet,
  Connection,
} from '../../repositories/index.ts';
import type { RepositoryPorts } from '../../volumes/index.ts';
import type { AdapterOf } from './adapters.ts';
import { emulatedCapabilities } from './emulated-capabilities.ts';

export interface AttachedArray extends RepositoryPorts {
  readonly adapter: Adapter;
  readonly capabilities: CapabilitySet;
}

/** The workers, as far as they reach repositories. */
export interface RepositoryWorkers {
  connect(kind: string, connection: Connection): void;
  disconnect(repositoryId: string): void;
}

export class AttachedRepositories {
  readonly #adapterOf: AdapterOf;
  readonly #parts: AdapterParts;
  readonly #workers: RepositoryWorkers;
  readonly #initiatorName: string;
  readonly #attached = new Map<string, AttachedArray>();
  readonly #mutex = new KeyedMutex();

  constructor(options: {
    readonly adapterOf: AdapterOf;
    readonly parts: AdapterParts;
    readonly workers: RepositoryWorkers;
    readonly initiatorName: string;
  }) {
    this.#adapterOf = options.adapterOf;
    this.#parts = options.parts;
    this.#workers = options.workers;
    this.#initiatorName = options.initiatorName;
  }

  get parts(): AdapterParts {
    return this.#parts;
  }

  get initiatorName(): string {
    return this.#initiatorName;
  }

  /** @throws Fault INVALID_INPUT */
  adapter(kind: string): Adapter {
    const adapter = this.#adapterOf(kind);
    if (adapter !== undefined) return adapter;
    throw new Fault('INVALID_INPUT', `there is no kind of storage called ${kind}`, {
      field: 'kind',
      value: kind,
    });
  }

  /** @throws Fault, ArrayError */
  attach(request: AttachRequest, signal: AbortSignal): Promise<AttachedArray> {
    return this.#mutex.run(request.repositoryId, async () => {
      return this.#attached.get(request.repositoryId) ?? (await this.#attach(request, signal));
    });
  }

  async #attach(request: AttachRequest, signal: AbortSignal): Promise<AttachedArray> {
    const { repositoryId, kind, settings, secrets, create, takeOver } = request;
    const adapter = this.adapter(kind);
    const { initiatorName } = this;
    const connection: Connection = { repositoryId, settings, secrets, initiatorName };
    const array = await adapter.attach(connection, this.#parts, { create, takeOver, signal });
    const data = adapter.openData(connection, this.#parts, (question) => ask(array, question));
    const capabilities = emulatedCapabilities(array);
    const attached = { repositoryId, adapter, array, data, capabilities };
    this.#attached.set(repositoryId, attached);
    this.#workers.connect(kind, connection);
    return attached;
  }

  /** Its volumes are closed already, or their handles fail from now on. */
  detach(repositoryId: string): Promise<void> {
    return this.#mutex.run(repositoryId, () => this.#detach(repositoryId));
  }

  async #detach(repositoryId: string): Promise<void> {
    const attached = this.#attached.get(repositoryId);
    if (attached === undefined) return;
    this.#attached.delete(repositoryId);
    this.#workers.disconnect(repositoryId);
    await attached.data.close?.();
    await attached.array.close();
  }

  has(repositoryId: string): boolean {
    return this.#attached.has(repositoryId);
  }

  /** @throws Fault UNAVAILABLE */
  of(repositoryId: string): AttachedArray {
    const attached = this.#attached.get(repositoryId);
    if (attached !== undefined) return attached;
    throw new Fault('UNAVAILABLE', 'the repository is not attached', {
      field: 'repository',
      value: repositoryId,
      expected: 'a repository that is attached',
    });
  }

  /** What a worker's data port asks. @throws BlockError */
  async answer(repositoryId: string, question: unknown): Promise<unknown> {
    const attached = this.#attached.get(repositoryId);
    if (attached === undefined) {
      throw new BlockError('ESHUTDOWN', 'open', 0, 0, 'the repository is detached');
    }
    return ask(attached.array, question);
  }

  async closeAll(): Promise<void> {
    for (const id of [...this.#attached.keys()]) await this.detach(id);
  }
}

async function ask(array: ArrayControl, question: unknown): Promise<unknown> {
  if (array.answer !== undefined) return array.answer(question);
  throw new BlockError('ENOTSUP', 'open', 0, 0, 'the array answers no questions');
}
