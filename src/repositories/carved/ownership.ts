/**
 * Whose the device is. The superblock names the owner, and a token made at each attach; whoever reads another token
 * there than its own has lost the device and stops.
 *
 * A plain disk cannot refuse a write, so this rests on time (owner-lease.ts): the control thread reads the superblock
 * again before every commit of metadata and every OWNER_CHECK_MS, a worker does not write when the last such reading is
 * older than its lease, and whoever takes the device over waits longer than both before it changes anything.
 */
import type { BlockDevice } from '../../block/index.ts';
import { ArrayError, BlockError } from '../../errors/index.ts';
import { SUPERBLOCK_PLACES } from './layout.ts';
import { type ReadFresh, readerOf, readSuperblocks, writeRange } from './metadata-io.ts';
import type { DeviceWords } from './shared-words.ts';
import { encodeSuperblock, type Superblock } from './superblock.ts';

export interface OwnershipOptions {
  readonly device: BlockDevice;
  /** undefined: the device has no cache that hides what others write. */
  readonly readFresh: ReadFresh | undefined;
  readonly superblock: Superblock;
  readonly words: DeviceWords;
  /** Milliseconds, monotonic. */
  readonly clock: () => number;
  readonly leaseMs: number;
  /** Called once. */
  readonly onLost: (owner: string) => void;
}

export class Ownership {
  readonly #options: OwnershipOptions;
  readonly #device: BlockDevice;
  #superblock: Superblock;
  #lostTo: string | undefined;

  constructor(options: OwnershipOptions) {
    this.#options = options;
    this.#device = options.device;
    this.#superblock = options.superblock;
  }

  get superblock(): Superblock {
    return this.#superblock;
  }

  /** @throws BlockError ESTALE when the device is somebody else's; what reading it fails with */
  async verify(): Promise<void> {
    this.#refuseLost();
    const { clock, leaseMs, words, readFresh } = this.#options;
    const device = this.#device;
    const started = clock();
    const { newest } = await readSuperblocks(readerOf(device, readFresh), device.geometry.size);
    if (newest === undefined) {
      throw new BlockError('EIO', 'read', 0, 0, 'neither superblock can be read any more');
    }
    const { formatId, attachToken } = this.#superblock;
    if (newest.formatId !== formatId || newest.attachToken !== attachToken) {
      this.#lose(newest.owner);
    }
    this.#refuseLost();
    // What took so long is not news.
    if (clock() - started < leaseMs) words.addBeat();
  }

  /** Writes a new version to both places. @throws BlockError: what is there now is not known */
  async update(changes: Partial<Superblock>): Promise<void> {
    await this.verify();
    const before = this.#superblock;
    // A version that may be on the device in one place only is never written a second time with other content.
    this.#superblock = { ...before, sequence: before.sequence + 1 };
    this.#superblock = await writeSuperblock(this.#device, before, changes);
  }

  #lose(owner: string): void {
    this.#options.words.state = 'fenced';
    if (this.#lostTo !== undefined) return;
    this.#lostTo = owner;
    this.#options.onLost(owner);
  }

  #refuseLost(): void {
    if (this.#lostTo === undefined) return;
    throw new BlockError('ESTALE', 'write', 0, 0, `the device belongs to ${this.#lostTo} now`);
  }
}

/** @returns what has been written */
export async function writeSuperblock(
  device: BlockDevice,
  before: Superblock,
  changes: Partial<Superblock>,
): Promise<Superblock> {
  const superblock = { ...before, ...changes, sequence: before.sequence + 1 };
  const block = encodeSuperblock(superblock);
  for (const place of SUPERBLOCK_PLACES) {
    await writeRange(device, block, place);
    await device.flush();
  }
  return superblock;
}

/** What the control port throws for an error of the data path. */
export function arrayErrorOf(error: unknown): ArrayError {
  if (error instanceof ArrayError) return error;
  const native = BlockError.from(error, 'write', 0, 0);
  const details = { nativeCode: native.errno, nativeMessage: native.message, cause: error };
  switch (native.errno) {
    case 'ESTALE':
      return new ArrayError('FENCED', native.message, details);
    case 'ENOSPC':
      return new ArrayError('NO_SPACE', 'the device has no free extents', details);
    case 'ETIMEDOUT':
      return new ArrayError('TIMEOUT', native.message, details);
    case 'ESHUTDOWN':
      return new ArrayError('UNREACHABLE', 'the device is closed', details);
    case 'EROFS':
    case 'EPERM':
      return new ArrayError('PERMISSION_DENIED', native.message, details);
    case 'EIO':
    case 'ENOMEM':
    case 'EINVAL':
    case 'EOVERFLOW':
    case 'ENOTSUP':
      return new ArrayError('UNREACHABLE', `the device failed: ${native.message}`, details);
  }
}
