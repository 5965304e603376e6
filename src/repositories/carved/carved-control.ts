/** The control port of a carved device. Layers above do snapshots and clones; there is nobody to mask from. */
import { type BlockDevice, isMeasurable } from '../../block/index.ts';
import { ArrayError } from '../../errors/index.ts';
import type { AdapterLog } from '../adapter.ts';
import type {
  ArrayControl,
  ArrayHealth,
  ArrayInfo,
  ArrayRef,
  ArrayVolume,
  CallOptions,
  CreateVolume,
  HealthState,
  Mutation,
  Page,
} from '../array-control.ts';
import { checkArrayName, checkNotCancelled } from '../array-requests.ts';
import type { CapabilitySet } from '../capabilities.ts';
import type { RepositorySpace, VolumeLocator } from '../ports.ts';
import type { Answers } from './answers.ts';
import { carvedCapabilities } from './capabilities.ts';
import type { CommitQueue } from './commit-queue.ts';
import type { DeviceSize } from './device-size.ts';
import type { ExtentPool } from './extent-pool.ts';
import type { Journal } from './journal.ts';
import { CARVED_LIST_PAGE, CARVED_NAME_BYTES, CARVED_VOLUMES } from './limits.ts';
import type { CarvedVolume, MetadataState } from './metadata-state.ts';
import { arrayErrorOf, type Ownership } from './ownership.ts';
import type { DeviceWords } from './shared-words.ts';
import type { VolumeChanges } from './volume-changes.ts';

/** What the array below says about itself. */
export interface CarvedDescription {
  readonly vendor: string;
  readonly product: string;
  readonly version: string;
  readonly serial: string;
}

/** What carries the device, where it has a say of its own: the paths to a LUN. */
export interface CarvedBelow {
  /** Flags that it adds to those of carving. */
  readonly capabilities: Partial<CapabilitySet>;
  health(): ArrayHealth;
  /** Called when the device is closed, also when that failed. */
  close(): Promise<void>;
}

export interface CarvedParts {
  readonly device: BlockDevice;
  readonly state: MetadataState;
  readonly journal: Journal;
  readonly ownership: Ownership;
  readonly pool: ExtentPool;
  readonly queue: CommitQueue;
  readonly changes: VolumeChanges;
  readonly size: DeviceSize;
  readonly answers: Answers;
  readonly words: DeviceWords;
  readonly log: AdapterLog;
  readonly granularity: number;
  readonly description: CarvedDescription;
  readonly below: CarvedBelow | undefined;
  readonly adapterKind: string;
  readonly locatorAddress: VolumeLocator['address'];
  /** How often it looks whether the device is still ours, in milliseconds. */
  readonly ownerCheckMs: number;
  /** How often it asks how large the device is, in milliseconds. */
  readonly sizeCheckMs: number;
  /** The device is nobody's in this process any more. */
  readonly onClosed: () => void;
}

const WORSE: readonly HealthState[] = ['good', 'unknown', 'degraded', 'failed'];

export class CarvedControl implements ArrayControl {
  readonly snapshots = undefined;
  readonly clones = undefined;
  readonly masking = undefined;
  readonly replication = undefined;
  readonly #parts: CarvedParts;
  readonly #capabilities: CapabilitySet;
  readonly #timers: NodeJS.Timeout[];
  #closing: Promise<void> | undefined;

  constructor(parts: CarvedParts) {
    this.#parts = parts;
    this.#capabilities = carvedCapabilities(parts.below?.capabilities);
    this.#timers = [setInterval(() => void this.#look(), parts.ownerCheckMs)];
    if (isMeasurable(parts.device)) {
      this.#timers.push(setInterval(() => this.noticeSize(), parts.sizeCheckMs));
    }
    for (const timer of this.#timers) timer.unref();
    parts.pool.prepare();
  }

  /** A device that grows has room for larger volumes. */
  get info(): ArrayInfo {
    const { description, granularity, changes } = this.#parts;
    return Object.freeze({
      ...description,
      capabilities: this.#capabilities,
      limits: Object.freeze({
        volumes: CARVED_VOLUMES,
        sizeGranularity: granularity,
        sizeMinimum: granularity,
        sizeMaximum: changes.sizeMaximum,
        nameLength: CARVED_NAME_BYTES,
      }),
    });
  }

  get deviceSize(): number {
    return this.#parts.size.used;
  }

  async refresh(): Promise<void> {
    this.#checkOpen();
    try {
      await this.#parts.size.refresh();
    } catch (error) {
      throw arrayErrorOf(error);
    }
  }

  /** The device may have another size: asks it, and tells the log when that cannot be. */
  noticeSize(): void {
    const { size, words, log } = this.#parts;
    if (this.#closing !== undefined || words.state === 'fenced') return;
    size.refresh().catch((error: unknown) => {
      log.warn({ error }, 'the size of the carved device is not known, or it cannot be used');
    });
  }

  async space(): Promise<RepositorySpace & { readonly provisioned: number }> {
    const { state, pool, changes, size } = this.#parts;
    return {
      total: size.extents * state.extentSize,
      free: pool.free * state.extentSize,
      provisioned: changes.provisioned,
    };
  }

  async health(): Promise<ArrayHealth> {
    const { words, journal, ownership, size } = this.#parts;
    await ownership.verify().catch(() => undefined);
    const messages: string[] = [];
    if (words.state === 'fenced') messages.push('another server has taken the device over');
    if (words.state === 'halted') messages.push('the metadata cannot be written');
    if (size.missing !== undefined) messages.push(shrunkMessage(size.bytes, size.missing));
    const failed = messages.length > 0;
    if (!failed && journal.broken) messages.push('a checkpoint of the metadata has failed');
    const state = failed ? 'failed' : messages.length > 0 ? 'degraded' : 'good';
    const below = this.#parts.below?.health();
    if (below === undefined) return { state, messages, paths: [] };
    return {
      state: WORSE.indexOf(below.state) > WORSE.indexOf(state) ? below.state : state,
      messages: [...messages, ...below.messages],
      paths: below.paths,
    };
  }

  async createVolume(request: CreateVolume, options: CallOptions = {}): Promise<ArrayVolume> {
    this.#checkOpen();
    checkNotCancelled(options.signal);
    checkArrayName(request.name, this.info.limits);
    return this.#describe(await this.#parts.changes.create(request, options));
  }

  async deleteVolume(
    request: Mutation & { readonly ref: ArrayRef },
    options: CallOptions = {},
  ): Promise<void> {
    this.#checkOpen();
    checkNotCancelled(options.signal);
    await this.#parts.changes.delete(request.ref.nativeId);
  }

  async resizeVolume(
    request: Mutation & { readonly ref: ArrayRef; readonly size: number },
    options: CallOptions = {},
  ): Promise<ArrayVolume> {
    const { changes } = this.#parts;
    this.#checkOpen();
    checkNotCancelled(options.signal);
    return this.#describe(await changes.resize(request.ref.nativeId, request.size, options));
  }

  async findVolume(
    by: { readonly ref: ArrayRef } | { readonly tag: string },
  ): Promise<ArrayVolume | undefined> {
    const { state } = this.#parts;
    this.#checkOpen();
    const volume = 'tag' in by ? state.byTag(by.tag) : state.byId(by.ref.nativeId);
    return volume?.ready === true ? this.#describe(volume) : undefined;
  }

  async listVolumes(query: {
    readonly ownedOnly: boolean;
    readonly cursor?: string;
  }): Promise<Page<ArrayVolume>> {
    this.#checkOpen();
    const after = numberOfCursor(query.cursor);
    const items: ArrayVolume[] = [];
    let last = 0;
    // In the order in which they were made: numbers only grow.
    for (const volume of this.#parts.state.volumes.values()) {
      if (!volume.ready || volume.number <= after) continue;
      if (items.length === CARVED_LIST_PAGE) return { items, cursor: String(last) };
      items.push(this.#describe(volume));
      last = volume.number;
    }
    return { items, cursor: undefined };
  }

  async adoptVolume(): Promise<ArrayVolume> {
    throw new ArrayError('UNSUPPORTED', 'a carved device holds volumes of its own only');
  }

  async releaseVolume(): Promise<void> {
    throw new ArrayError('UNSUPPORTED', 'a volume of a carved device is ours or is deleted');
  }

  answer(question: unknown): Promise<unknown> {
    return this.#parts.answers.answer(question);
  }

  close(): Promise<void> {
    this.#closing ??= this.#close().finally(() => this.#parts.below?.close());
    return this.#closing;
  }

  async #close(): Promise<void> {
    const { queue, pool, journal, ownership, words, device, size, onClosed, log } = this.#parts;
    for (const timer of this.#timers) clearInterval(timer);
    await queue.close();
    await size.settled();
    await pool.close();
    await journal.settled();
    try {
      await device.flush();
      if (words.state === 'ready') await ownership.update({ attached: false });
    } catch (error) {
      log.warn({ error }, 'the carved device was not closed cleanly');
    }
    // Whoever still has a volume open must not write to what another server may attach now.
    words.state = 'fenced';
    try {
      await device.close();
    } catch (error) {
      throw arrayErrorOf(error);
    } finally {
      onClosed();
    }
  }

  /** Is the device still ours? While nobody has a volume open, the next commit asks. */
  async #look(): Promise<void> {
    const { ownership, queue, state, words, log } = this.#parts;
    const inUse = [...state.volumes.values()].some(({ words: { open } }) => open > 0);
    if (!inUse || words.state === 'fenced') return;
    try {
      // A commit of nothing puts the journal right, if that is possible again.
      if (words.state === 'ready') await ownership.verify();
      else await queue.run({ kind: 'alone', durable: false, prepare: () => [] });
    } catch (error) {
      log.error(
        { error },
        'the superblock of the carved device could not be read, or its journal not be written',
      );
    }
  }

  #checkOpen(): void {
    if (this.#closing !== undefined) {
      throw new ArrayError('UNREACHABLE', 'the repository is closed');
    }
  }

  #describe(volume: CarvedVolume): ArrayVolume {
    const { state, ownership, adapterKind, locatorAddress } = this.#parts;
    const { id, name, tag, size, thin } = volume;
    return {
      ref: { kind: 'volume', nativeId: id, name },
      tag,
      size,
      allocated: volume.mapped * state.extentSize,
      thin,
      wwid: `uuid.${id}`,
      parent: undefined,
      locator: {
        adapter: adapterKind,
        repository: ownership.superblock.repositoryId,
        volume: id,
        address: { ...locatorAddress, carved: id },
      },
    };
  }
}

function shrunkMessage(bytes: number, missing: number): string {
  const lost = 'what lies beyond its end cannot be read or written, and nothing new is put there';
  return `the device has ${bytes} bytes, it had ${missing}: ${lost}`;
}

/** The number of the last volume of the page before. @throws ArrayError CURSOR_EXPIRED */
function numberOfCursor(cursor: string | undefined): number {
  if (cursor === undefined) return 0;
  if (/^[0-9]{1,10}$/.test(cursor)) return Number(cursor);
  throw new ArrayError('CURSOR_EXPIRED', 'the list does not go on from there');
}
