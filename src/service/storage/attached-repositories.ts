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
import { PART_TIME_MAX } from './limits.ts';

export interface AttachedArray extends RepositoryPorts {
  readonly adapter: Adapter;
  readonly capabilities: CapabilitySet;
}

interface Attached extends AttachedArray {
  readonly connection: Connection;
}

/** The workers, as far as they reach repositories. */
export interface RepositoryWorkers {
  connect(kind: string, connection: Connection): void;
  /** @returns whether all of them have let go of it; else one may still write to it */
  disconnect(repositoryId: string): Promise<boolean>;
}

export class AttachedRepositories {
  readonly #adapterOf: AdapterOf;
  readonly #parts: AdapterParts;
  readonly #workers: RepositoryWorkers;
  readonly #initiatorName: string;
  readonly #attached = new Map<string, Attached>();
  /** Being detached: nobody begins anything with them, and who ends something may still ask. */
  readonly #parting = new Map<string, Attached>();
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

  /**
   * @param prepare works on it before anybody else can
   * @throws Fault, ArrayError
   */
  attach(
    request: AttachRequest,
    signal: AbortSignal,
    prepare: (attached: AttachedArray) => Promise<void>,
  ): Promise<AttachedArray> {
    return this.#mutex.run(request.repositoryId, async () => {
      return (
        this.#attached.get(request.repositoryId) ?? (await this.#attach(request, signal, prepare))
      );
    });
  }

  async #attach(
    request: AttachRequest,
    signal: AbortSignal,
    prepare: (attached: AttachedArray) => Promise<void>,
  ): Promise<AttachedArray> {
    const { repositoryId, kind, settings, secrets, create, takeOver } = request;
    const adapter = this.adapter(kind);
    const { initiatorName } = this;
    const connection: Connection = { repositoryId, settings, secrets, initiatorName };
    const array = await adapter.attach(connection, this.#parts, { create, takeOver, signal });
    const data = adapter.openData(connection, this.#parts, (question) => ask(array, question));
    const capabilities = emulatedCapabilities(array.info.capabilities);
    const attached = { repositoryId, adapter, array, data, capabilities, connection };
    await prepare(attached);
    this.#attached.set(repositoryId, attached);
    this.#workers.connect(kind, connection);
    return attached;
  }

  /**
   * Its volumes are closed already, or their handles fail from now on. The array is let go of when no thread has
   * anything of it any more: another server may attach it the moment after.
   * @param options.force also when a thread does not say in time that it has let go
   * @returns whether all of them have
   * @throws Fault UNAVAILABLE: one has not, and it is attached as before
   */
  detach(repositoryId: string, { force }: { readonly force: boolean }): Promise<boolean> {
    return this.#mutex.run(repositoryId, async () => {
      const attached = this.#attached.get(repositoryId);
      if (attached === undefined) return true;
      this.#attached.delete(repositoryId);
      this.#parting.set(repositoryId, attached);
      try {
        const isParted = await this.#workers.disconnect(repositoryId);
        if (!isParted && !force) {
          this.#attached.set(repositoryId, attached);
          this.#workers.connect(attached.adapter.kind, attached.connection);
          throw notParted(repositoryId);
        }
        await close(attached);
        return isParted;
      } finally {
        this.#parting.delete(repositoryId);
      }
    });
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
    const attached = this.#attached.get(repositoryId) ?? this.#parting.get(repositoryId);
    if (attached === undefined) {
      throw new BlockError('ESHUTDOWN', 'open', 0, 0, 'the repository is detached');
    }
    return ask(attached.array, question);
  }

  /** At the end of the service: the threads have ended. */
  async closeAll(): Promise<void> {
    for (const id of [...this.#attached.keys()]) {
      await this.#mutex.run(id, async () => {
        const attached = this.#attached.get(id);
        this.#attached.delete(id);
        if (attached !== undefined) await close(attached);
      });
    }
  }
}

async function close({ data, array }: AttachedArray): Promise<void> {
  try {
    await data.close?.();
  } finally {
    await array.close();
  }
}

function notParted(repositoryId: string): Fault {
  const seconds = PART_TIME_MAX / 1000;
  const message = `a data worker has not let go of the repository in ${seconds} s: it may still write to it`;
  return new Fault('UNAVAILABLE', message, {
    field: 'repository',
    value: repositoryId,
    expected:
      'storage that answers, or force, when nobody else will attach it before this service has ended',
  });
}

async function ask(array: ArrayControl, question: unknown): Promise<unknown> {
  if (array.answer !== undefined) return array.answer(question);
  throw new BlockError('ENOTSUP', 'open', 0, 0, 'the array answers no questions');
}
