/** What imports and exports ask for, over the objects, sessions and tasks that there are. */
import type { ChangedRange, SnapshotName } from '../../control/index.ts';
import { actingAs, snapshotNameOf } from '../../control/index.ts';
import type { Call, Caller } from '../call.ts';
import type { Ref } from '../datamodel/description.ts';
import { SR } from '../datamodel/sr.ts';
import { VDI } from '../datamodel/vdi.ts';
import { diskNameOf, diskOf } from '../disks/disk.ts';
import { mayShareVdi } from '../disks/rules.ts';
import { markFinished } from '../disks/unfinished.ts';
import { vdiFault } from '../disks/vdi-faults.ts';
import { xenActor } from '../dispatch/actor.ts';
import type { ByteRange } from '../images/index.ts';
import { createVdi } from '../messages/vdi/create.ts';
import { destroyVdi } from '../messages/vdi/destroy.ts';
import type { OpenDisk } from '../ports.ts';
import type { Sessions } from '../sessions/sessions.ts';
import type { Tasks } from '../tasks/tasks.ts';
import type { Xen } from '../xen.ts';
import { XenError } from '../xen-error.ts';
import type { Credentials, ImagePort, ImageVdi, Login, SrName } from './image-port.ts';
import { RANGES_AT_ONCE } from './limits.ts';

/** Of what a transfer does without being asked: making a VDI, taking it back. */
const UNSTOPPED = { signal: new AbortController().signal, progress: () => undefined };

export class XenImages implements ImagePort {
  readonly #xen: Xen;
  readonly #sessions: Sessions;
  readonly #tasks: Tasks;

  constructor(xen: Xen, sessions: Sessions, tasks: Tasks) {
    this.#xen = xen;
    this.#sessions = sessions;
    this.#tasks = tasks;
  }

  async authenticate(credentials: Credentials, address: string): Promise<Login | undefined> {
    try {
      if (credentials.kind === 'session') {
        return { caller: this.#sessions.callerOf(credentials.session), end: async () => undefined };
      }
      const { user: name, password } = credentials;
      const { ref } = await this.#sessions.login({ name, password, address, originator: 'http' });
      return { caller: this.#sessions.callerOf(ref), end: async () => this.#sessions.end(ref) };
    } catch (error) {
      if (error instanceof XenError) return undefined;
      throw error;
    }
  }

  joinTask(ref: Ref, caller: Caller) {
    return this.#tasks.adopt(ref, caller);
  }

  beginTask(task: Parameters<ImagePort['beginTask']>[0], isSeen: boolean) {
    return isSeen ? this.#tasks.begin(task) : this.#tasks.beginUnseen(task);
  }

  failTask(ref: Ref, error: readonly [string, ...string[]]): void {
    this.#tasks.failUnasked(ref, error);
  }

  vdi(name: string): ImageVdi {
    const ref = this.#xen.objects.refOfEither(VDI.name, name);
    const { uuid, virtual_size: size, read_only: isReadOnly } = this.#xen.objects.require(VDI, ref);
    return { ref, uuid, size, isReadOnly };
  }

  sr(name: SrName): Ref {
    return this.#xen.objects.refOfEither(SR.name, 'ref' in name ? name.ref : name.uuid);
  }

  async createVdi(caller: Caller, sr: Ref, size: number, label: string): Promise<ImageVdi> {
    const ref = await this.#as(caller, (call) =>
      createVdi(this.#xen, { toBeFilled: true })(call, {
        ...{ name_label: label, name_description: '', SR: sr, virtual_size: size, type: 'user' },
        ...{ sharable: false, read_only: false, other_config: new Map() },
        ...{ xenstore_data: new Map(), sm_config: new Map(), tags: [] },
      }),
    );
    return this.vdi(ref);
  }

  destroyVdi(caller: Caller, vdi: ImageVdi): Promise<void> {
    return this.#as(caller, (call) => destroyVdi(this.#xen)(call, { self: vdi.ref }));
  }

  keepVdi({ ref }: ImageVdi): void {
    markFinished(this.#xen, this.#xen.objects.origin(VDI.name, ref).id);
  }

  /** An export shows as a copy, which others may go on beside; an import keeps everybody else out by itself. */
  async open(
    { ref }: ImageVdi,
    { write, task }: { readonly write: boolean; readonly task: Ref },
  ): Promise<OpenDisk> {
    const { disks, operations } = this.#xen;
    const { promise: done, resolve: close } = Promise.withResolvers<void>();
    const { promise: opened, resolve, reject } = Promise.withResolvers<OpenDisk>();
    const operation = { className: VDI.name, ref, operation: 'copy', task };
    const disk = diskOf(this.#xen, ref);
    const during = operations.during(operation, mayShareVdi, async () => {
      const open = await disks.open(diskNameOf(this.#xen, disk), { write });
      resolve({
        device: open.device,
        close: async () => {
          try {
            await open.close();
          } finally {
            close();
            await during; // it shows no more
          }
        },
      });
      await done;
    });
    during.catch((error: unknown) => {
      reject(vdiFault(error, { ref, sr: disk.record.SR, operation: 'copy' }));
    });
    return opened;
  }

  differences(base: ImageVdi, vdi: ImageVdi): AsyncIterable<ByteRange> | undefined {
    const [from, to] = [this.#snapshot(base.ref), this.#snapshot(vdi.ref)];
    if (from === undefined || to === undefined) return undefined;
    if (from.name.volumeId === undefined || from.name.volumeId !== to.name.volumeId)
      return undefined;
    if (from.createdAt >= to.createdAt) return undefined;
    return changedRanges(this.#xen, from.name, to.name, to.size);
  }

  #snapshot(ref: Ref) {
    const { kind, id } = this.#xen.objects.origin(VDI.name, ref);
    const record = kind === 'snapshot' ? this.#xen.control.catalog.snapshots.byId(id) : undefined;
    if (record === undefined) return undefined;
    return { name: snapshotNameOf(record), createdAt: record.createdAt, size: record.size };
  }

  async #as<T>(caller: Caller, work: (call: Call) => T | Promise<T>): Promise<T> {
    const task = this.#tasks.beginUnseen({ name: 'transfer', caller });
    const call: Call = { caller, task: task.ref, ...UNSTOPPED };
    try {
      return await actingAs(xenActor(caller, 'a transfer'), async () => work(call));
    } finally {
      task.succeed('');
    }
  }
}

/** As the control plane knows them; what it cannot tell is for both to be read. */
async function* changedRanges(
  { control }: Xen,
  from: SnapshotName,
  to: SnapshotName,
  size: number,
): AsyncGenerator<ByteRange> {
  for (let offset = 0; offset < size; ) {
    const ranges: readonly ChangedRange[] = await control.storage.diff({
      ...{ from, to, offset, length: size - offset, limit: RANGES_AT_ONCE },
    });
    const last = ranges.at(-1);
    if (last === undefined) return;
    yield* ranges;
    offset = last.offset + last.length;
  }
}
