/** A carved device for tests: the control port, and data ports as workers have them. */

import { openSync } from 'node:fs';
import { FileDevice, HolePuncher } from '../../src/adapters/local/index.ts';
import { type BlockDevice, MemoryDevice, type WriteOptions } from '../../src/block/index.ts';
import { ArrayError, BlockError } from '../../src/errors/index.ts';
import {
  type ArrayVolume,
  type AskControl,
  type AttachCarvedRequest,
  attachCarved,
  type CarvedControl,
  carvedVolumeData,
  type VolumeData,
} from '../../src/repositories/index.ts';

export const KIB = 1024;
export const MIB = 1024 * KIB;

export const SILENT = { info: () => {}, warn: () => {}, error: () => {} };

let repositories = 0;

export interface CarvedBenchOptions extends Partial<AttachCarvedRequest> {
  readonly device: BlockDevice;
  readonly repositoryId?: string;
  readonly owner?: string;
  readonly create?: boolean;
  readonly takeOver?: boolean;
}

/** Attaches with small extents and without waiting; another repository id each time unless given. */
export function attachForTest(options: CarvedBenchOptions): Promise<CarvedControl> {
  const { repositoryId, owner, create, takeOver, ...rest } = options;
  repositories += 1;
  return attachCarved({
    connection: {
      repositoryId: repositoryId ?? `repository-${repositories}`,
      initiatorName: owner ?? 'iqn.2026-01.dev.rootcast:one',
    },
    parts: { log: SILENT, clock: () => performance.now() },
    options: {
      ...(create === undefined ? {} : { create }),
      ...(takeOver === undefined ? {} : { takeOver }),
      signal: new AbortController().signal,
    },
    adapterKind: 'test',
    locatorAddress: { lun: 1 },
    description: { vendor: 'v', product: 'p', version: '1', serial: 's' },
    extentSize: 64 * KIB,
    timing: { ownerCheckMs: 60_000, takeOverWaitMs: 0 },
    ...rest,
  });
}

/** A data port as in another thread: questions and answers are structured clones, errors are not. */
export function workerOf(
  control: CarvedControl,
  openDevice: () => BlockDevice | Promise<BlockDevice>,
): VolumeData {
  const ask: AskControl = async (question) => {
    // A SharedArrayBuffer is shared by a clone inside an agent cluster; structuredClone of this thread refuses it.
    const answer = await control.answer(structuredClone(question));
    return typeof answer === 'object' && answer !== null ? { ...answer } : answer;
  };
  return carvedVolumeData({
    openDevice: async () => await openDevice(),
    ask,
    clock: () => performance.now(),
  });
}

/** A handle of a device that others have open too: closing it closes nothing. */
export function handle(device: BlockDevice): BlockDevice {
  return new Proxy(device, {
    get(target, key) {
      if (key === 'close') return async () => {};
      const value: unknown = Reflect.get(target, key, target);
      return typeof value === 'function' ? value.bind(target) : value;
    },
  });
}

/** A handle, and a signal that is aborted at one of its reads. */
export function cancelledAtRead(device: MemoryDevice, which: number) {
  const cancel = new AbortController();
  const counts = { reads: 0, gaveUp: 0 };
  const shared = handle(device);
  const watched = new Proxy(shared, {
    get(target, key) {
      if (key !== 'read') return Reflect.get(target, key);
      return (to: Buffer, at: number): void => {
        counts.reads += 1;
        if (counts.reads === which) cancel.abort();
        device.read(to, at);
      };
    },
  });
  const giveUp = (): void => {
    counts.gaveUp += 1;
  };
  return { device: watched, signal: cancel.signal, giveUp, counts };
}

export function contentOf(device: MemoryDevice): Buffer {
  const content = Buffer.alloc(device.geometry.size);
  device.read(content, 0);
  return content;
}

/** Refuses what is not whole blocks of it, as a disk does. */
class StrictMemory extends MemoryDevice {
  override read(target: Buffer, offset: number): void {
    this.#check(offset, target.length);
    super.read(target, offset);
  }

  override write(source: Buffer, offset: number, options: WriteOptions): void {
    this.#check(offset, source.length);
    super.write(source, offset, options);
  }

  #check(offset: number, length: number): void {
    const { minimumIo } = this.geometry;
    if (offset % minimumIo === 0 && length % minimumIo === 0) return;
    throw new BlockError('EINVAL', 'read', offset, length, `not whole blocks of ${minimumIo}`);
  }
}

export function memory(size: number, minimumIo = 512): MemoryDevice {
  return new StrictMemory({ size, minimumIo });
}

/** @param canPunch false: no program is started that could outlive a process which is killed */
export function fileDevice(path: string, canPunch = true): FileDevice {
  return new FileDevice({
    fd: openSync(path, 'r+'),
    write: true,
    clock: () => performance.now(),
    puncher: new HolePuncher(),
    canPunch,
    onCannotPunch: () => {},
  });
}

let tags = 0;

export async function makeVolume(
  control: CarvedControl,
  size: number,
  options: { readonly thin?: boolean; readonly tag?: string } = {},
): Promise<ArrayVolume> {
  tags += 1;
  const tag = options.tag ?? `tag-${tags}`;
  const thin = options.thin ?? true;
  return await control.createVolume({ opId: tag, tag, name: `volume-${tag}`, size, thin });
}

export async function errnoOf(work: () => unknown): Promise<string> {
  try {
    await work();
  } catch (error) {
    if (error instanceof BlockError) return error.errno;
    throw error;
  }
  return 'settled';
}

/** The code of the ArrayError that the promise was refused with. */
export async function codeOf(work: Promise<unknown>): Promise<string> {
  const error: unknown = await work.then(
    () => 'it went well',
    (reason) => reason,
  );
  if (error instanceof ArrayError) return error.code;
  throw error instanceof Error ? error : new Error(String(error));
}
