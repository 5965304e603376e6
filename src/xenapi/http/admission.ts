/** Who may transfer, and in which task: what imports and exports have in common before they differ. */
import { BlockError } from '../../errors/index.ts';
import type { Caller } from '../call.ts';
import { mayAs } from '../datamodel/roles.ts';
import { xenErrorOf } from '../fault-to-xen.ts';
import type { RunningTask } from '../tasks-port.ts';
import { XenError } from '../xen-error.ts';
import { credentialsOf } from './credentials.ts';
import type { Exchange } from './exchange.ts';
import type { ImagePort, Login } from './image-port.ts';
import { ClientGone } from './request-body.ts';

export interface ImageRouteOptions {
  readonly port: ImagePort;
  /** For images that cannot be read as they come. Exists. */
  readonly temporaryFolder: string;
  /** What nobody is told of. */
  readonly log: (what: string, error: unknown) => void;
  /** Milliseconds of a clock that never goes back. */
  readonly now: () => number;
  /** Milliseconds; TRANSFER_IDLE_MS unless given. */
  readonly idleMs?: number;
  /** Milliseconds; TRANSFER_LINGER_MS unless given. */
  readonly lingerMs?: number;
}

/** An action as XenAPI calls it. */
export interface Action {
  /** Realm of HTTP authentication. */
  readonly realm: string;
  readonly permission: string;
  /** Name of a task that is made for it. */
  readonly label: string;
}

export interface Transfer {
  readonly caller: Caller;
  readonly task: RunningTask;
}

/** What is answered with a status other than 200; the task fails with the error. */
export class Refusal extends Error {
  readonly status: number;
  readonly description: readonly [string, ...string[]];

  constructor(status: number, description: readonly [string, ...string[]]) {
    super(description.join(', '));
    this.status = status;
    this.description = description;
  }
}

/**
 * Lets the client in and works in its task, which has ended when this settles. Never rejects.
 * @param isSeen whether a task that is made for it is in the list of tasks
 * @param work answers, and returns the ref that the task comes to; throws Refusal, or anything else
 */
export async function withTransfer(
  exchange: Exchange,
  action: Action,
  options: ImageRouteOptions,
  isSeen: boolean,
  work: (transfer: Transfer) => Promise<string>,
): Promise<void> {
  const { parameters } = exchange;
  const taskRef = parameters.cookieFirst('task_id');
  let login: Login | undefined;
  try {
    login = await admit(exchange, action, options);
    const { caller } = login;
    const subtaskOf = parameters.cookieFirst('subtask_of');
    const { port } = options;
    const task =
      taskRef === undefined
        ? port.beginTask(
            { name: action.label, caller, ...(subtaskOf === undefined ? {} : { subtaskOf }) },
            isSeen,
          )
        : port.joinTask(taskRef, caller);
    await inTask(exchange, { caller, task }, options, work);
  } catch (error) {
    if (login === undefined && error instanceof Refusal && taskRef !== undefined) {
      options.port.failTask(taskRef, error.description);
    }
    await answerFailure(exchange, error, action, options);
  } finally {
    await login?.end().catch((error: unknown) => options.log('the end of a session', error));
  }
}

/** @throws Refusal */
async function admit(
  { request, parameters }: Exchange,
  action: Action,
  { port }: ImageRouteOptions,
): Promise<Login> {
  const credentials = credentialsOf(parameters, request.headers.authorization);
  const address = request.socket.remoteAddress ?? '';
  const login =
    credentials === undefined ? undefined : await port.authenticate(credentials, address);
  if (login === undefined) throw new Refusal(401, ['SESSION_AUTHENTICATION_FAILED']);
  if (mayAs(login.caller.role, 'vm-admin')) return login;
  await login.end();
  const reason = `the role ${login.caller.role} may not; vm-admin may`;
  throw new Refusal(403, ['RBAC_PERMISSION_DENIED', action.permission, reason]);
}

async function inTask(
  exchange: Exchange,
  transfer: Transfer,
  options: ImageRouteOptions,
  work: (transfer: Transfer) => Promise<string>,
): Promise<void> {
  const { task } = transfer;
  try {
    const ref = await work(transfer);
    task.succeed(`<value>${ref}</value>`);
  } catch (error) {
    task.fail(descriptionOf(error, transfer));
    const isOurs = !task.signal.aborted && !isTold(error);
    if (exchange.hasBegun && isOurs) options.log('a transfer that failed', error);
    throw error;
  }
}

/** What a failed transfer is to the task. */
function descriptionOf(error: unknown, { task }: Transfer): readonly [string, ...string[]] {
  if (error instanceof Refusal) return error.description;
  if (task.signal.aborted) return ['TASK_CANCELLED', task.ref];
  if (error instanceof ClientGone) return ['VDI_IO_ERROR', error.message];
  return xenErrorOf(error, task.ref).description;
}

/** Whether the task says all that there is to say. */
function isTold(error: unknown): boolean {
  const isKnown = error instanceof Refusal || error instanceof XenError;
  return isKnown || error instanceof ClientGone || error instanceof BlockError;
}

/** Whoever has had the head of an answer gets no other one. */
async function answerFailure(
  exchange: Exchange,
  error: unknown,
  { realm }: Action,
  options: ImageRouteOptions,
): Promise<void> {
  try {
    if (exchange.hasBegun) return;
    if (!isTold(error)) options.log('a transfer that could not begin', error);
    const status = error instanceof Refusal ? error.status : error instanceof XenError ? 400 : 500;
    const headers = status === 401 ? { 'www-authenticate': `Basic realm="${realm}"` } : {};
    await exchange.refuse(status, headers);
  } catch (failure) {
    options.log('an answer that could not be given', failure);
    exchange.breakOff();
  }
}
