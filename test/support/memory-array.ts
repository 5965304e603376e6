/**
 * An array in memory, in the test's hands: with snapshots of its own or without, with faults where the test
 * wants them. What it holds outlives whoever is attached, as an array does.
 */
import {
  type Extent,
  FaultyDevice,
  MemoryDevice,
  PLAIN,
  ReadOnlyDevice,
} from '../../src/block/index.ts';
import { ArrayError, BlockError } from '../../src/errors/index.ts';
import {
  type Adapter,
  type ArrayControl,
  type ArrayRef,
  type ArraySnapshot,
  type ArrayVolume,
  type CapabilityFlag,
  type CloneControl,
  capabilities,
  type SnapshotControl,
  type VolumeData,
} from '../../src/repositories/index.ts';
import { handle } from './overlays.ts';

interface Held {
  readonly id: string;
  readonly kind: 'volume' | 'snapshot';
  name: string;
  tag: string | undefined;
  thin: boolean;
  device: MemoryDevice;
  /** Of a snapshot. */
  readonly of?: string;
}

const NATIVE: readonly CapabilityFlag[] = [
  ...(['snapshot', 'groupSnapshot', 'cloneLinked', 'cloneFull', 'cloneFromVolume'] as const),
  ...(['split', 'revert', 'revertKeepsNewer', 'changedBlocks'] as const),
];

export class MemoryArray {
  readonly held = new Map<string, Held>();
  /** Handles that are open. */
  open = 0;
  /** Called before every call of the control port, with its name. */
  before: (call: string) => void = () => {};
  /** Called after a mutating call was done: what it throws is the lost answer. */
  after: (call: string) => void = () => {};
  /**
   * Called for every call of the control port and every change of data, before it: whoever kills here cuts
   * an operation in two.
   */
  step: () => void = () => {};
  /** Counts up when whoever is attached is killed: what they still do has no effect. */
  #generation = 0;
  readonly #isNative: boolean;
  readonly #diffs: boolean;
  readonly #kind: string;
  #lastId = 0;

  /** @param options.diffs of its own snapshots: what differs between them, by comparing */
  constructor(
    options: { readonly isNative?: boolean; readonly diffs?: boolean; readonly kind?: string } = {},
  ) {
    this.#isNative = options.isNative ?? false;
    this.#diffs = options.diffs ?? false;
    this.#kind = options.kind ?? 'memory';
  }

  kill(): void {
    this.#generation += 1;
    this.open = 0;
  }

  #alive(generation: number): void {
    if (generation !== this.#generation) throw new Error('killed');
    this.step();
    if (generation !== this.#generation) throw new Error('killed');
  }

  get adapter(): Adapter {
    return {
      kind: this.#kind,
      description: 'memory',
      settings: [],
      probe: async () => ({ step: 'ready', choose: undefined, found: [] }),
      attach: async ({ repositoryId }) => this.#control(repositoryId),
      openData: () => this.#data(),
    };
  }

  names(): string[] {
    return [...this.held.values()].map(({ kind, tag }) => `${kind} ${tag}`).sort();
  }

  #data(): VolumeData {
    const generation = this.#generation;
    return {
      open: async ({ volume }, { write }) => {
        const held = this.held.get(volume);
        if (held === undefined) throw new BlockError('EIO', 'open', 0, 0, `no volume ${volume}`);
        if (generation !== this.#generation) throw new BlockError('EIO', 'open', 0, 0, 'killed');
        this.open += 1;
        const own = handle(held.device);
        let isOpen = true;
        own.close = async () => {
          if (isOpen && generation === this.#generation) this.open -= 1;
          isOpen = false;
        };
        const mortal = new FaultyDevice(own, ({ operation }) => {
          if (operation === 'write' || operation === 'zero') this.step();
          return generation === this.#generation ? undefined : { errno: 'EIO' };
        });
        return write ? mortal : new ReadOnlyDevice(mortal);
      },
    };
  }

  #control(repositoryId: string): ArrayControl {
    const flags = Object.fromEntries(NATIVE.map((flag) => [flag, 'yes' as const]));
    const generation = this.#generation;
    const call = async <T>(name: string, work: () => T | Promise<T>): Promise<T> => {
      this.#alive(generation);
      this.before(name);
      const result = await work();
      if (!/^(find|list|space|health)/.test(name)) this.after(name);
      this.#alive(generation);
      return result;
    };
    const told = (held: Held): ArrayVolume => this.#volume(repositoryId, held);
    return {
      info: {
        ...{ vendor: 'test', product: 'memory', version: '1', serial: '1' },
        capabilities: capabilities({
          ...{ thin: 'yes', adopt: 'yes', resizeOnline: 'yes' },
          ...(this.#isNative ? flags : {}),
        }),
        limits: { sizeGranularity: 512, sizeMinimum: 512, sizeMaximum: 2 ** 50, nameLength: 100 },
      },
      space: async () => ({ total: 2 ** 50, free: 2 ** 49 }),
      health: async () => ({ state: 'good', messages: [], paths: [] }),
      createVolume: ({ tag, name, size, thin }) =>
        call('createVolume', () => {
          const known = this.#tagged(tag);
          if (known !== undefined) return told(known);
          this.#refuseName(name);
          return told(
            this.#add('volume', name, tag, thin, new MemoryDevice({ size, minimumIo: 512 })),
          );
        }),
      deleteVolume: ({ ref }) => call('deleteVolume', () => this.#delete(ref)),
      resizeVolume: ({ ref, size }) =>
        call('resizeVolume', async () => told(await this.#grow(ref, size))),
      findVolume: (by) =>
        call('findVolume', () => {
          const held = 'tag' in by ? this.#tagged(by.tag) : this.held.get(by.ref.nativeId);
          return held?.kind === 'volume' ? told(held) : undefined;
        }),
      listVolumes: async () => ({
        items: [...this.held.values()].filter(({ kind }) => kind === 'volume').map(told),
        cursor: undefined,
      }),
      adoptVolume: async ({ ref, tag }) => {
        const held = this.#get(ref);
        held.tag = tag;
        return told(held);
      },
      releaseVolume: async ({ ref }) => {
        this.#get(ref).tag = undefined;
      },
      snapshots: this.#isNative ? this.#snapshots(repositoryId, call) : undefined,
      clones: this.#isNative ? this.#clones(repositoryId, call) : undefined,
      masking: undefined,
      replication: undefined,
      close: async () => {},
    };
  }

  #snapshots(
    repositoryId: string,
    call: <T>(name: string, work: () => T | Promise<T>) => Promise<T>,
  ): SnapshotControl {
    return {
      createSnapshots: ({ of }) =>
        call('createSnapshots', async () => {
          const made: ArraySnapshot[] = [];
          for (const { volume, tag, name } of of) {
            const device = await copied(this.#get(volume).device);
            const held = this.#add('snapshot', name, tag, true, device, volume.nativeId);
            made.push(this.#snapshot(repositoryId, held));
          }
          return made;
        }),
      deleteSnapshot: ({ ref }) => call('deleteSnapshot', () => this.#delete(ref)),
      findSnapshot: (by) =>
        call('findSnapshot', () => {
          const held = 'tag' in by ? this.#tagged(by.tag) : this.held.get(by.ref.nativeId);
          return held?.kind === 'snapshot' ? this.#snapshot(repositoryId, held) : undefined;
        }),
      listSnapshots: async () => ({ items: [], cursor: undefined }),
      revert: ({ volume, snapshot }) =>
        call('revert', async () => {
          const held = this.#get(volume);
          held.device = await copied(this.#get(snapshot).device);
          return this.#volume(repositoryId, held);
        }),
      ...(this.#diffs
        ? {
            diff: ({ from, to, ...range }) =>
              call('findDifferences', () => {
                const before = from === undefined ? undefined : this.#get(from).device;
                return differences(before, this.#get(to).device, range);
              }),
          }
        : {}),
    };
  }

  #clones(
    repositoryId: string,
    call: <T>(name: string, work: () => T | Promise<T>) => Promise<T>,
  ): CloneControl {
    return {
      clone: ({ tag, name, source }) =>
        call('clone', async () => {
          const device = await copied(this.#get(source).device);
          return this.#volume(repositoryId, this.#add('volume', name, tag, true, device));
        }),
      split: ({ ref }) => call('split', () => this.#volume(repositoryId, this.#get(ref))),
    };
  }

  #add(
    kind: Held['kind'],
    name: string,
    tag: string | undefined,
    thin: boolean,
    device: MemoryDevice,
    of?: string,
  ): Held {
    this.#lastId += 1;
    const id = `${kind}-${this.#lastId}`;
    const held: Held = { id, kind, name, tag, thin, device, ...(of === undefined ? {} : { of }) };
    this.held.set(id, held);
    return held;
  }

  /** As arrays do: a name is plain, and of one volume. */
  #refuseName(name: string): void {
    if (!/^[A-Za-z0-9._-]+$/.test(name)) throw new ArrayError('INVALID_ARGUMENT', `name ${name}`);
    const isTaken = [...this.held.values()].some((held) => held.name === name);
    if (isTaken) throw new ArrayError('ALREADY_EXISTS_DIFFERENT', `name ${name} is taken`);
  }

  #tagged(tag: string): Held | undefined {
    return [...this.held.values()].find((held) => held.tag === tag);
  }

  #get({ nativeId }: ArrayRef): Held {
    const held = this.held.get(nativeId);
    if (held === undefined) throw new ArrayError('NOT_FOUND', `no ${nativeId}`);
    return held;
  }

  #delete({ nativeId }: ArrayRef): void {
    this.held.delete(nativeId);
  }

  async #grow(ref: ArrayRef, size: number): Promise<Held> {
    const held = this.#get(ref);
    if (held.device.geometry.size < size) held.device = await copied(held.device, size);
    return held;
  }

  #volume(repository: string, { id, name, tag, thin, device }: Held): ArrayVolume {
    return {
      ref: { kind: 'volume', nativeId: id, name },
      ...{ tag, thin, size: device.geometry.size, allocated: undefined, wwid: undefined },
      parent: undefined,
      locator: { adapter: this.#kind, repository, volume: id, address: {} },
    };
  }

  #snapshot(repository: string, { id, name, tag, device, of = '' }: Held): ArraySnapshot {
    return {
      ref: { kind: 'snapshot', nativeId: id, name },
      ...{ tag, createdAt: 1, size: device.geometry.size, unique: undefined },
      volume: { kind: 'volume', nativeId: of, name: of },
      locator: { adapter: this.#kind, repository, volume: id, address: {} },
    };
  }
}

/** Pieces of 4 KiB that differ; what lies beyond the end of the earlier one is zeroes. */
async function differences(
  before: MemoryDevice | undefined,
  after: MemoryDevice,
  { offset, length, limit }: { offset: number; length: number; limit: number },
): Promise<readonly Extent[]> {
  const { size } = after.geometry;
  const [old, now] = [Buffer.alloc(size), Buffer.alloc(size)];
  await after.read(now, 0);
  const known = Math.min(size, before?.geometry.size ?? 0);
  if (known > 0) await before?.read(old.subarray(0, known), 0);
  const found: Extent[] = [];
  for (let at = offset; at < Math.min(size, offset + length) && found.length < limit; ) {
    const end = Math.min(size, offset + length, (Math.floor(at / 4096) + 1) * 4096);
    if (!old.subarray(at, end).equals(now.subarray(at, end))) {
      found.push({ offset: at, length: end - at, kind: 'data' });
    }
    at = end;
  }
  return found;
}

async function copied(from: MemoryDevice, size = from.geometry.size): Promise<MemoryDevice> {
  const bytes = Buffer.alloc(from.geometry.size);
  await from.read(bytes, 0);
  const to = new MemoryDevice({ size, minimumIo: 512 });
  await to.write(bytes, 0, PLAIN);
  return to;
}
