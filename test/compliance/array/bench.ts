/** One array under test: attaches it, opens its volumes, and sees to it that every test leaves it empty. */
import { randomUUID } from 'node:crypto';
import { expect } from 'vitest';
import { type BlockDevice, PLAIN } from '../../../src/block/index.ts';
import { ArrayError, type ArrayErrorCode } from '../../../src/errors/index.ts';
import type {
  ArrayControl,
  ArrayRef,
  ArraySnapshot,
  ArrayVolume,
  CapabilityFlag,
  CloneControl,
  Page,
  SnapshotControl,
} from '../../../src/repositories/index.ts';
import type { ArraySubject, Attachment, MakeArray } from './subject.ts';

const DEFAULT_VOLUME_BYTES = 1024 * 1024;
/** Rounds in which nothing more could be deleted, and the array is not empty. */
const CLEANING_ROUNDS = 200;

export type Readable = Pick<ArrayVolume | ArraySnapshot, 'ref' | 'locator' | 'size'>;

export interface Opened {
  readonly device: BlockDevice;
  detach(): Promise<void>;
}

export const opId = (): string => randomUUID();
export const newTag = (): string => randomUUID();

export class ArrayBench {
  readonly #make: MakeArray;
  #subject: ArraySubject | undefined;
  #attachment: Attachment | undefined;
  readonly #opened = new Set<Opened & { readonly of: string }>();
  #names = 0;

  constructor(make: MakeArray) {
    this.#make = make;
  }

  get subject(): ArraySubject {
    return present(this.#subject, 'a subject');
  }

  get attachment(): Attachment {
    return present(this.#attachment, 'an attachment');
  }

  get control(): ArrayControl {
    return this.attachment.control;
  }

  get snapshots(): SnapshotControl {
    return present(this.control.snapshots, 'snapshots');
  }

  get clones(): CloneControl {
    return present(this.control.clones, 'clones');
  }

  /** Of an ordinary volume, in bytes. */
  get size(): number {
    const { sizeMinimum } = this.control.info.limits;
    return this.rounded(Math.max(sizeMinimum, this.subject.volumeBytes ?? DEFAULT_VOLUME_BYTES));
  }

  get thin(): boolean {
    return this.can('thin');
  }

  can(flag: CapabilityFlag): boolean {
    return this.control.info.capabilities[flag] !== 'no';
  }

  rounded(size: number): number {
    const { sizeGranularity } = this.control.info.limits;
    return Math.ceil(size / sizeGranularity) * sizeGranularity;
  }

  /** Short, and never the same again. */
  name(): string {
    this.#names += 1;
    return `t${this.#names}-${randomUUID().slice(0, 4)}`;
  }

  async start(): Promise<void> {
    this.#subject = await this.#make();
    this.#attachment = await this.#subject.attach();
  }

  async stop(): Promise<void> {
    await this.detachAll();
    if (this.#attachment !== undefined) await this.#close(this.#attachment);
    this.#attachment = undefined;
    await this.#subject?.dispose?.();
  }

  /** As after a restart of the service. */
  async reattach(): Promise<void> {
    await this.detachAll();
    await this.#close(this.attachment);
    this.#attachment = await this.subject.attach();
  }

  async #close({ control, data }: Attachment): Promise<void> {
    await data.close?.();
    await control.close();
  }

  async create(
    options: { readonly size?: number; readonly name?: string; readonly tag?: string } = {},
  ): Promise<ArrayVolume> {
    return this.control.createVolume({
      opId: opId(),
      tag: options.tag ?? newTag(),
      name: options.name ?? this.name(),
      size: options.size ?? this.size,
      thin: this.thin,
    });
  }

  /** A volume with something in it. */
  async createFilled(fill: number): Promise<{ volume: ArrayVolume; content: Buffer }> {
    const volume = await this.create();
    const content = Buffer.alloc(volume.size);
    await this.use(volume, (device) => scribble(device, content, fill));
    return { volume, content };
  }

  async snapshot(volume: ArrayVolume, options: { tag?: string; name?: string } = {}) {
    const [made] = await this.snapshots.createSnapshots({
      opId: opId(),
      of: [{ volume: volume.ref, tag: options.tag ?? newTag(), name: options.name ?? this.name() }],
    });
    return present(made, 'the snapshot that was made');
  }

  clone(source: ArrayRef, kind: 'linked' | 'full', options: { tag?: string; size?: number } = {}) {
    return this.clones.clone({
      opId: opId(),
      tag: options.tag ?? newTag(),
      name: this.name(),
      source,
      kind,
      ...(options.size === undefined ? {} : { size: options.size }),
    });
  }

  /**
   * Maps it to this server where the array masks, then opens it as it is now. A volume is always mapped for writing:
   * it may be opened again while somebody has it.
   */
  async open(thing: Readable, write: boolean): Promise<Opened> {
    const { host } = this.subject;
    const { masking } = this.control;
    const { kind, nativeId } = thing.ref;
    if (masking !== undefined && host !== undefined) {
      const mode = kind === 'volume' ? 'rw' : 'ro';
      await masking.map({ opId: opId(), volume: thing.ref, host, mode });
    }
    const { locator } = await this.again(thing);
    const device = await this.attachment.data.open(locator, { write });
    const opened: Opened & { readonly of: string } = {
      of: nativeId,
      device,
      detach: async () => {
        if (!this.#opened.delete(opened)) return;
        await device.close();
        const others = [...this.#opened].some(({ of }) => of === nativeId);
        if (masking === undefined || host === undefined || others) return;
        await masking.unmap({ opId: opId(), volume: thing.ref, host: host.name, force: true });
      },
    };
    this.#opened.add(opened);
    return opened;
  }

  async use<T>(thing: Readable, work: (device: BlockDevice) => Promise<T>): Promise<T> {
    const opened = await this.open(thing, thing.ref.kind === 'volume');
    try {
      return await work(opened.device);
    } finally {
      await opened.detach();
    }
  }

  /** All that it holds, as somebody sees who opens it now. */
  async content(thing: Readable): Promise<Buffer> {
    const opened = await this.open(thing, false);
    try {
      return await readAll(opened.device);
    } finally {
      await opened.detach();
    }
  }

  async expectContent(thing: Readable, content: Buffer, what: string): Promise<void> {
    expectSame(await this.content(thing), content, what);
  }

  /** As the array shows it now. */
  async again(thing: Readable): Promise<ArrayVolume | ArraySnapshot> {
    const found =
      thing.ref.kind === 'snapshot'
        ? await this.snapshots.findSnapshot({ ref: thing.ref })
        : await this.control.findVolume({ ref: thing.ref });
    return present(found, `${thing.ref.kind} ${thing.ref.name}`);
  }

  delete(thing: { readonly ref: ArrayRef }): Promise<void> {
    const request = { opId: opId(), ref: thing.ref };
    return thing.ref.kind === 'snapshot'
      ? this.snapshots.deleteSnapshot(request)
      : this.control.deleteVolume(request);
  }

  listAll(ownedOnly: boolean): Promise<ArrayVolume[]> {
    return everyPage((cursor) =>
      this.control.listVolumes({ ownedOnly, ...(cursor === undefined ? {} : { cursor }) }),
    );
  }

  async listSnapshots(volume?: ArrayRef): Promise<ArraySnapshot[]> {
    const { snapshots } = this.control;
    if (snapshots === undefined) return [];
    return everyPage((cursor) =>
      snapshots.listSnapshots({
        ...(volume === undefined ? {} : { volume }),
        ...(cursor === undefined ? {} : { cursor }),
      }),
    );
  }

  async detachAll(): Promise<void> {
    for (const opened of [...this.#opened]) await opened.detach();
  }

  /** After a test: deletes what is ours, dependents first. Fails when something cannot be deleted. */
  async clean(): Promise<void> {
    await this.detachAll();
    const { renew } = this.subject;
    if (renew !== undefined) {
      const { isEmpty = async () => (await this.listAll(false)).length === 0 } = this.subject;
      if (await isEmpty()) return;
      await this.#close(this.attachment);
      await renew();
      this.#attachment = await this.subject.attach();
      return;
    }
    for (let round = 0; round < CLEANING_ROUNDS; round += 1) {
      const left = [...(await this.listSnapshots()), ...(await this.listAll(true))];
      if (left.length === 0) return;
      let deleted = 0;
      for (const thing of left) {
        await this.control.masking?.unmap({ opId: opId(), volume: thing.ref, force: true });
        const code = await outcome(this.delete(thing));
        if (code === 'done') deleted += 1;
        else expect(code, `deleting ${thing.ref.kind} ${thing.ref.name}`).toBe('HAS_DEPENDENTS');
      }
      if (deleted === 0) {
        throw new Error(`cannot be deleted: ${left.map(({ ref }) => ref.name).join(', ')}`);
      }
    }
    throw new Error('the array does not become empty');
  }
}

export function present<T>(value: T | undefined, what: string): T {
  if (value === undefined) throw new Error(`${what} is not there`);
  return value;
}

async function everyPage<T>(page: (cursor: string | undefined) => Promise<Page<T>>): Promise<T[]> {
  const items: T[] = [];
  let cursor: string | undefined;
  do {
    const next: Page<T> = await page(cursor);
    items.push(...next.items);
    expect(next.cursor === undefined || next.cursor !== cursor, 'the list goes on').toBe(true);
    cursor = next.cursor;
  } while (cursor !== undefined);
  return items;
}

/** How a call ended; fails when it threw anything else than an ArrayError. */
export async function outcome(call: Promise<unknown>): Promise<'done' | ArrayErrorCode> {
  return (await failure(call))?.code ?? 'done';
}

/** What a call failed with; undefined: it did not. */
export async function failure(call: Promise<unknown>): Promise<ArrayError | undefined> {
  try {
    await call;
    return undefined;
  } catch (error) {
    if (error instanceof ArrayError) return error;
    throw new Error(`something else than an ArrayError: ${String(error)}`, { cause: error });
  }
}

/** The error names what stands in the way. */
export function expectRefs(error: ArrayError | undefined, refs: readonly ArrayRef[]): void {
  const told = error?.details.refs ?? [];
  for (const { name, nativeId } of refs) {
    const named = told.some((text) => text.includes(name) || text.includes(nativeId));
    expect(named, `${name} is among the refs ${JSON.stringify(told)}`).toBe(true);
  }
}

export async function readAll(device: BlockDevice): Promise<Buffer> {
  const { size, maximumIo } = device.geometry;
  const whole = Buffer.alloc(size, 0xee);
  for (let at = 0; at < size; at += maximumIo) {
    await device.read(whole.subarray(at, Math.min(size, at + maximumIo)), at);
  }
  return whole;
}

export function expectSame(actual: Buffer, expected: Buffer, what: string): void {
  if (actual.equals(expected)) return;
  if (actual.length !== expected.length) {
    throw new Error(`${what}: ${actual.length} bytes instead of ${expected.length}`);
  }
  const at = actual.findIndex((byte, index) => byte !== expected[index]);
  throw new Error(`${what}: differs at byte ${at}: ${actual[at]} instead of ${expected[at]}`);
}

/** Writes a piece at the beginning, in the middle and at the end, different for each `fill`; the model too. */
export async function scribble(device: BlockDevice, content: Buffer, fill: number): Promise<void> {
  const { size, minimumIo } = device.geometry;
  const unit = Math.max(minimumIo, 4096);
  const places = [0, Math.floor(size / 2 / unit) * unit, Math.max(0, size - unit)];
  for (const [index, at] of places.entries()) {
    const length = Math.min(unit, size - at);
    await writeBoth(device, content, at, pattern(length, fill * 7 + index));
  }
}

/** Random writes, aligned as the device wants them, of up to 64 KiB; to the model too. */
export async function writeAtRandom(
  device: BlockDevice,
  content: Buffer,
  random: () => number,
  count: number,
): Promise<void> {
  const { size, minimumIo } = device.geometry;
  const units = size / minimumIo;
  for (let n = 0; n < count; n += 1) {
    const at = Math.floor(random() * units) * minimumIo;
    const most = Math.min(size - at, 65_536);
    const length = Math.max(1, Math.floor((random() * most) / minimumIo)) * minimumIo;
    await writeBoth(device, content, at, pattern(length, Math.floor(random() * 2 ** 30)));
  }
}

async function writeBoth(
  device: BlockDevice,
  content: Buffer,
  at: number,
  source: Buffer,
): Promise<void> {
  source.copy(content, at);
  await device.write(source, at, PLAIN);
}

/** Never zero, and different from byte to byte. */
export function pattern(length: number, fill: number): Buffer {
  const bytes = Buffer.alloc(length);
  for (let i = 0; i < length; i += 1) bytes[i] = 1 + ((i * 31 + (i >>> 9) * 17 + fill * 13) % 255);
  return bytes;
}
