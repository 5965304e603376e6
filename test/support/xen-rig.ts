/**
 * XenAPI over a real control plane and real storage (folders of this machine), in one thread and without
 * sockets: calls go in as a method's name and values, and come out as values.
 */
import { randomUUID } from 'node:crypto';
import { localAdapter } from '../../src/adapters/local/index.ts';
import {
  type Control,
  closeControl,
  createControl,
  createRepository,
  type TaskView,
} from '../../src/control/index.ts';
import type { Adapter } from '../../src/repositories/index.ts';
import type { Answer, Caller, Implementation } from '../../src/xenapi/call.ts';
import type {
  ApiType,
  ClassDescription,
  Ref,
  Role,
} from '../../src/xenapi/datamodel/description.ts';
import { Dispatcher } from '../../src/xenapi/dispatch/dispatcher.ts';
import { MessageTable } from '../../src/xenapi/dispatch/message-table.ts';
import { KeptObjects } from '../../src/xenapi/objects/kept-objects.ts';
import { Objects } from '../../src/xenapi/objects/objects.ts';
import { type Projection, Projector } from '../../src/xenapi/objects/projector.ts';
import { setKeptField } from '../../src/xenapi/objects/set-kept-field.ts';
import { Operations } from '../../src/xenapi/operations.ts';
import type { DiskPort } from '../../src/xenapi/ports.ts';
import type { NewTask, RunningTask, TaskBook } from '../../src/xenapi/tasks-port.ts';
import type { Xen, XenSettings } from '../../src/xenapi/xen.ts';
import { XenError } from '../../src/xenapi/xen-error.ts';
import { FakeDataPlane, FakeImages } from '../unit/control/support/fake-service.ts';
import { FakeTransfers } from '../unit/control/support/fake-transfers.ts';
import { VolumeRig } from './volume-rig.ts';

export interface XenRigOptions {
  readonly classes: readonly ClassDescription[];
  readonly implementations: (xen: Xen) => readonly Implementation[];
  readonly projections: (xen: Xen) => readonly Projection[];
  /** Of the catalog; in memory unless given. */
  readonly path?: string;
  readonly adapters?: readonly Adapter[];
  readonly disks?: DiskPort;
  /** Where calls are done; `rig.tasks` unless given. */
  readonly tasks?: (xen: Xen) => TaskBook;
  readonly settings?: Partial<XenSettings>;
}

const NO_DISKS: DiskPort = {
  open: () => Promise.reject(new Error('this rig has no disks')),
  users: () => [],
};

/** Tasks that only a test sees. */
export class RigTasks implements TaskBook {
  readonly results = new Map<
    Ref,
    { readonly result?: string; readonly error?: readonly string[] }
  >();
  readonly aborts = new Map<Ref, AbortController>();
  readonly progress = new Map<Ref, number[]>();

  begin(_task: NewTask): RunningTask {
    const ref = `OpaqueRef:${randomUUID()}`;
    const abort = new AbortController();
    const progress: number[] = [];
    this.aborts.set(ref, abort);
    this.progress.set(ref, progress);
    return {
      ...{ ref, signal: abort.signal },
      progress: (fraction) => void progress.push(fraction),
      succeed: (result) => void this.results.set(ref, { result }),
      fail: (error) => void this.results.set(ref, { error }),
    };
  }

  beginUnseen(task: NewTask): RunningTask {
    return this.begin(task);
  }

  cancel(ref: Ref): void {
    this.aborts.get(ref)?.abort(new XenError('TASK_CANCELLED', [ref]));
  }
}

export class XenRig {
  readonly volumes: VolumeRig;
  readonly control: Control;
  readonly xen: Xen;
  readonly tasks = new RigTasks();
  readonly dataPlane = new FakeDataPlane();
  readonly images = new FakeImages();
  /** What went wrong in the background. */
  readonly troubles: string[] = [];
  role: Role = 'pool-admin';
  /** By session; of others: `tester`, of `role`. */
  readonly callers = new Map<Ref, Caller>();
  /** Of calls that are made from now on: aborted when their client goes away. */
  gone: AbortSignal | undefined;
  readonly #dispatcher: Dispatcher<unknown>;
  readonly #projector: Projector;

  private constructor(volumes: VolumeRig, options: XenRigOptions) {
    this.volumes = volumes;
    const { catalog } = volumes;
    this.control = createControl({
      ...{ catalog, dataPlane: this.dataPlane, images: this.images },
      transfers: new FakeTransfers(),
      storage: volumes.storage.storage,
      clock: { now: () => Date.now() },
      newId: randomUUID,
      ...{ serverName: 'rig', version: '0.0.0' },
    });
    const objects = new Objects(options.classes, 1);
    this.xen = {
      ...{ control: this.control, objects, kept: new KeptObjects(catalog) },
      operations: new Operations(objects),
      disks: options.disks ?? NO_DISKS,
      settings: {
        address: '127.0.0.1',
        nbd: { port: 10_809, tls: 'off', certificate: undefined },
        ...options.settings,
      },
      log: (what, error) => void this.troubles.push(`${what}: ${String(error)}`),
    };
    this.#projector = new Projector(catalog, objects, options.projections(this.xen), (error) =>
      this.troubles.push(String(error)),
    );
    const table = new MessageTable(options.implementations(this.xen), objects, (...kept) =>
      setKeptField(this.xen, ...kept),
    );
    this.#dispatcher = new Dispatcher({
      ...{ table, objects, tasks: options.tasks?.(this.xen) ?? this.tasks },
      callerOf: (session) =>
        this.callers.get(session) ?? { session, user: 'tester', role: this.role },
      unmarshal: (_type: ApiType, value: unknown) => value,
      resultText: (_type, value) => String(value),
      failed: (method, error) => void this.troubles.push(`${method}: ${String(error)}`),
    });
  }

  static async open(options: XenRigOptions): Promise<XenRig> {
    const path = options.path === undefined ? {} : { path: options.path };
    const adapters = options.adapters ?? [localAdapter];
    const volumes = await VolumeRig.open({ arrays: {}, adapters, ...path });
    return new XenRig(volumes, options);
  }

  /** Values are those of our code: maps are Map, times milliseconds. @throws XenError */
  call(method: string, ...parameters: readonly unknown[]): Promise<unknown> {
    return this.callIn('OpaqueRef:session', method, ...parameters);
  }

  /** The same in another session. @throws XenError */
  async callIn(session: Ref, method: string, ...parameters: readonly unknown[]): Promise<unknown> {
    const answer: Answer = await this.#dispatcher.dispatch({
      ...{ method, parameters: [session, ...parameters] },
      ...{ address: '127.0.0.1', subtaskOf: undefined },
      ...(this.gone === undefined ? {} : { gone: this.gone }),
    });
    return answer.value;
  }

  /** The error that a call ends with, code first. */
  async refusal(method: string, ...parameters: readonly unknown[]): Promise<readonly string[]> {
    try {
      const value = await this.call(method, ...parameters);
      throw new Error(`${method} was answered with ${JSON.stringify(value)}`);
    } catch (error) {
      if (error instanceof XenError) return error.description;
      throw error;
    }
  }

  /** A repository in a folder, as the REST API makes it. */
  async repository(name: string, path: string): Promise<TaskView> {
    const task = createRepository(this.control, { name, kind: 'local', settings: { path } });
    await this.control.tasks.settled(task.id);
    const { error } = this.control.tasks.get(task.id) ?? {};
    if (error !== undefined) throw new Error(error.message);
    return task;
  }

  async close(): Promise<void> {
    this.#projector.close();
    await closeControl(this.control);
    await this.volumes.close();
  }
}
