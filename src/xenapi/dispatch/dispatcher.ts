/**
 * One call, from its name and values to its answer: session, count of parameters, role, types, handler; each in
 * a task of its own, `Async.` ones in one that clients see.
 */
import { actingAs } from '../../control/index.ts';
import type { Answer, Caller } from '../call.ts';
import { type ApiType, type Ref, ref, set } from '../datamodel/description.ts';
import { xenErrorOf } from '../fault-to-xen.ts';
import type { Objects } from '../objects/objects.ts';
import { NULL_REF } from '../objects/refs.ts';
import { permissionName, requireRole } from '../sessions/permissions.ts';
import type { RunningTask, TaskBook } from '../tasks-port.ts';
import { XenError, xenError } from '../xen-error.ts';
import { xenActor } from './actor.ts';
import { argumentsOf, checkCount, checkRefs, type Unmarshal } from './arguments.ts';
import type { AnyCall, Entry, Given } from './entry.ts';
import type { MessageTable } from './message-table.ts';

export interface Request<W> {
  readonly method: string;
  readonly parameters: readonly W[];
  /** Of the client. */
  readonly address: string;
  /** The task that this is a part of, as its headers say. */
  readonly subtaskOf: Ref | undefined;
  /** Aborted when the client goes away before it has its answer. */
  readonly gone?: AbortSignal;
}

export interface DispatcherOptions<W> {
  readonly table: MessageTable;
  readonly objects: Objects;
  readonly tasks: TaskBook;
  /** @throws XenError SESSION_INVALID */
  readonly callerOf: (session: Ref) => Caller;
  readonly unmarshal: Unmarshal<W>;
  /** A value as text of a task's result. */
  readonly resultText: (type: ApiType, value: unknown) => string;
  /** Told of what is our mistake, not the client's. */
  readonly failed: (method: string, error: unknown) => void;
}

const ASYNC = 'Async.';
const IS_ALIVE = 'system.isAlive:';

export class Dispatcher<W> {
  readonly #options: DispatcherOptions<W>;

  constructor(options: DispatcherOptions<W>) {
    this.#options = options;
  }

  /** @throws XenError, and nothing else */
  async dispatch(request: Request<W>): Promise<Answer> {
    try {
      return await this.#dispatch(request);
    } catch (error) {
      throw this.#told(request, error, NULL_REF);
    }
  }

  /** What the client is told of an error; of a mistake of ours not only the client. */
  #told({ method }: Request<W>, error: unknown, task: Ref): XenError {
    const told = xenErrorOf(error, task);
    if (!(error instanceof XenError) && told.code === 'INTERNAL_ERROR') {
      this.#options.failed(method, error);
    }
    return told;
  }

  async #dispatch(request: Request<W>): Promise<Answer> {
    const { method, parameters } = request;
    const { table } = this.#options;
    if (method === 'system.listMethods') return { type: set('string'), value: table.names() };
    if (method.startsWith(IS_ALIVE)) return { type: 'string', value: this.#echo(parameters) };
    const isAsync = method.startsWith(ASYNC);
    const entry = table.get(isAsync ? method.slice(ASYNC.length) : method);
    if (entry?.needsSession === false && !isAsync) return this.#runUnknown(entry, request);
    // An unknown method of a bad session is a bad session (server_helpers.ml, via host extensions).
    const caller = parameters.length > 0 || entry !== undefined ? this.#caller(request) : undefined;
    if (entry === undefined || caller === undefined) {
      throw xenError('MESSAGE_METHOD_UNKNOWN', method);
    }
    const given = this.#given(entry, caller, parameters.slice(1));
    const work = { request, entry, caller, given };
    return isAsync ? this.#begin(work) : this.#run(work);
  }

  /** What somebody asks with who only wants to know whether anybody is there. */
  #echo([first]: readonly W[]): unknown {
    return first === undefined ? '' : this.#options.unmarshal('string', first, 'value');
  }

  #caller({ parameters }: Request<W>): Caller {
    const [session] = parameters;
    if (session === undefined) throw xenError('SESSION_INVALID', '');
    return this.#options.callerOf(
      this.#options.unmarshal(ref('session'), session, 'session_id') as Ref,
    );
  }

  #given(entry: Entry, caller: Caller, values: readonly W[]): Given {
    checkCount(entry, values.length);
    requireRole(caller, entry.role, permissionName(entry.className, entry.name));
    const given = argumentsOf(entry, values, this.#options.unmarshal);
    checkRefs(entry, given, this.#options.objects);
    return given;
  }

  async #runUnknown(entry: Entry, request: Request<W>): Promise<Answer> {
    checkCount(entry, request.parameters.length);
    const given = argumentsOf(entry, request.parameters, this.#options.unmarshal);
    const stranger = { address: request.address } as AnyCall;
    return { type: entry.result, value: await entry.run(stranger, given) };
  }

  /** It is answered when it is done. */
  async #run(work: Work<W>): Promise<Answer> {
    const { request, entry, caller } = work;
    const task = this.#options.tasks.beginUnseen({ name: request.method, caller });
    try {
      return { type: entry.result, value: await carryOut(work, task) };
    } catch (error) {
      throw this.#told(request, error, task.ref);
    } finally {
      task.succeed('');
    }
  }

  /** It is answered with its task, and done meanwhile. */
  #begin(work: Work<W>): Answer {
    const { request, entry, caller } = work;
    if (!entry.hasAsync) {
      throw xenError('INTERNAL_ERROR', 'No async mode for this operation');
    }
    const subtaskOf = request.subtaskOf === undefined ? {} : { subtaskOf: request.subtaskOf };
    const task = this.#options.tasks.begin({ name: request.method, caller, ...subtaskOf });
    void this.#finish(work, task);
    return { type: ref('task'), value: task.ref };
  }

  async #finish(work: Work<W>, task: RunningTask): Promise<void> {
    const { entry, request } = work;
    try {
      const value = await carryOut(work, task);
      task.succeed(entry.result === 'void' ? '' : this.#options.resultText(entry.result, value));
    } catch (error) {
      task.fail(this.#told(request, error, task.ref).description);
    }
  }
}

interface Work<W> {
  readonly request: Request<W>;
  readonly entry: Entry;
  readonly caller: Caller;
  readonly given: Given;
}

/** In a later turn, so that the task's ref is told before anything of it happens. */
async function carryOut<W>(
  { entry, caller, given, request }: Work<W>,
  task: RunningTask,
): Promise<unknown> {
  const { ref: taskRef, signal } = task;
  const { address, gone } = request;
  const call = {
    ...{ caller, task: taskRef, signal, address },
    ...(gone === undefined ? {} : { gone }),
    progress: (fraction: number) => task.progress(fraction),
  };
  return actingAs(xenActor(caller, address), async () => entry.run(call, given));
}
