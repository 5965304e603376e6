/** Sessions, tasks and disks in memory, behind the port that imports and exports ask. */
import { randomUUID } from 'node:crypto';
import { type BlockDevice, MemoryDevice } from '../../../../src/block/index.ts';
import type { Caller } from '../../../../src/xenapi/call.ts';
import type { Ref, Role } from '../../../../src/xenapi/datamodel/description.ts';
import type {
  Credentials,
  ImagePort,
  ImageVdi,
  Login,
  SrName,
} from '../../../../src/xenapi/http/image-port.ts';
import type { ByteRange } from '../../../../src/xenapi/images/index.ts';
import type { OpenDisk } from '../../../../src/xenapi/ports.ts';
import type { NewTask, RunningTask } from '../../../../src/xenapi/tasks-port.ts';
import { xenError } from '../../../../src/xenapi/xen-error.ts';

export class MemoryTask implements RunningTask {
  readonly ref: Ref = `OpaqueRef:${randomUUID()}`;
  readonly name: string;
  readonly subtaskOf: Ref | undefined;
  readonly abort = new AbortController();
  status: 'pending' | 'success' | 'failure' | 'cancelled' = 'pending';
  result = '';
  error: readonly string[] = [];
  fraction = 0;

  constructor(name: string, subtaskOf?: Ref) {
    this.name = name;
    this.subtaskOf = subtaskOf;
  }

  get signal(): AbortSignal {
    return this.abort.signal;
  }
  progress(fraction: number): void {
    this.fraction = fraction;
  }
  succeed(result: string): void {
    this.#end('success');
    this.result = result;
  }
  fail(error: readonly [string, ...string[]]): void {
    this.#end(error[0] === 'TASK_CANCELLED' ? 'cancelled' : 'failure');
    this.error = error;
  }
  cancel(): void {
    this.abort.abort(xenError('TASK_CANCELLED', this.ref));
  }
  #end(status: 'success' | 'failure' | 'cancelled'): void {
    if (this.status !== 'pending') throw new Error('a task ended twice');
    this.status = status;
  }
}

export interface MemoryVdi extends ImageVdi {
  readonly device: BlockDevice;
}

export const USER = { user: 'root', password: 'se:cret' };
export const SR = { ref: `OpaqueRef:${randomUUID()}`, uuid: randomUUID() };

export class MemoryImagePort implements ImagePort {
  readonly vdis = new Map<Ref, MemoryVdi>();
  readonly tasks = new Map<Ref, MemoryTask>();
  readonly unseen: MemoryTask[] = [];
  readonly sessions = new Map<Ref, Role>();
  /** Told instead of looked for. */
  changed: readonly ByteRange[] | undefined;
  open_ = 0;
  mostOpen = 0;
  readonly opened: { readonly ref: Ref; readonly write: boolean }[] = [];
  destroyed = 0;
  readonly kept: Ref[] = [];
  sessionsEnded = 0;
  /** What is put between a disk and whoever opens it. */
  wrap: (device: BlockDevice) => BlockDevice = (device) => device;

  add(device: BlockDevice, more: Partial<ImageVdi> = {}): MemoryVdi {
    const uuid = randomUUID();
    const ref = `OpaqueRef:${randomUUID()}`;
    const vdi = { ref, uuid, size: device.geometry.size, isReadOnly: false, device, ...more };
    this.vdis.set(vdi.ref, vdi);
    return vdi;
  }

  session(role: Role = 'pool-admin'): Ref {
    const ref = `OpaqueRef:${randomUUID()}`;
    this.sessions.set(ref, role);
    return ref;
  }

  task(name = 'of the client'): MemoryTask {
    const task = new MemoryTask(name);
    this.tasks.set(task.ref, task);
    return task;
  }

  async authenticate(credentials: Credentials): Promise<Login | undefined> {
    if (credentials.kind === 'session') {
      const role = this.sessions.get(credentials.session);
      if (role === undefined) return undefined;
      const caller: Caller = { session: credentials.session, user: USER.user, role };
      return { caller, end: async () => undefined };
    }
    const { user, password } = credentials;
    if (user !== USER.user || password !== USER.password) return undefined;
    const session = this.session();
    return {
      caller: { session, user, role: 'pool-admin' },
      end: async () => {
        this.sessions.delete(session);
        this.sessionsEnded += 1;
      },
    };
  }

  joinTask(ref: Ref): RunningTask {
    const task = this.tasks.get(ref);
    if (task === undefined) throw xenError('HANDLE_INVALID', 'task', ref);
    return task;
  }

  beginTask({ name, subtaskOf }: NewTask, isSeen: boolean): RunningTask {
    const task = new MemoryTask(name, subtaskOf);
    if (isSeen) this.tasks.set(task.ref, task);
    else this.unseen.push(task);
    return task;
  }

  failTask(ref: Ref, error: readonly [string, ...string[]]): void {
    this.tasks.get(ref)?.fail(error);
  }

  vdi(name: string): MemoryVdi {
    const found = [...this.vdis.values()].find(({ ref, uuid }) => ref === name || uuid === name);
    if (found === undefined) throw xenError('HANDLE_INVALID', 'VDI', name);
    return found;
  }

  sr(name: SrName): Ref {
    if ('ref' in name ? name.ref === SR.ref : name.uuid === SR.uuid) return SR.ref;
    throw xenError('HANDLE_INVALID', 'SR', 'ref' in name ? name.ref : name.uuid);
  }

  async createVdi(_caller: Caller, _sr: Ref, size: number): Promise<ImageVdi> {
    return this.add(new MemoryDevice({ size: Math.ceil(size / 512) * 512 }));
  }

  keepVdi({ ref }: ImageVdi): void {
    this.kept.push(ref);
  }

  async destroyVdi(_caller: Caller, { ref }: ImageVdi): Promise<void> {
    if (this.open_ > 0) throw xenError('VDI_IN_USE', ref, 'destroy');
    this.vdis.delete(ref);
    this.destroyed += 1;
  }

  readonly #writers = new Set<Ref>();

  async open({ ref }: ImageVdi, { write }: { readonly write: boolean }): Promise<OpenDisk> {
    const vdi = this.vdis.get(ref);
    if (vdi === undefined) throw xenError('HANDLE_INVALID', 'VDI', ref);
    if (this.#writers.has(ref)) throw xenError('VDI_IN_USE', ref, 'copy');
    if (write) this.#writers.add(ref);
    this.opened.push({ ref, write });
    this.open_ += 1;
    let isOpen = true;
    return {
      device: this.wrap(vdi.device),
      close: async () => {
        if (!isOpen) throw new Error('closed twice');
        isOpen = false;
        this.open_ -= 1;
        this.#writers.delete(ref);
      },
    };
  }

  differences(): AsyncIterable<ByteRange> | undefined {
    const { changed } = this;
    if (changed === undefined) return undefined;
    return (async function* () {
      yield* changed;
    })();
  }
}
