/** Disks in memory, what is exported of them, and what is imported into them. */
import { tmpdir } from 'node:os';
import { expect } from 'vitest';
import {
  type BlockDevice,
  type Capabilities,
  type Geometry,
  MemoryDevice,
  PLAIN,
} from '../../../../src/block/index.ts';
import {
  type ByteRange,
  exportImage,
  type ImageFormat,
  type ImageStream,
  type ImportRequest,
  importImage,
} from '../../../../src/xenapi/images/index.ts';

export const K = 1024;
export const M = 1024 * K;

/** A device that can do less than memory, or wants larger units. */
export function limited(
  device: MemoryDevice,
  capabilities: Partial<Capabilities>,
  geometry: Partial<Geometry> = {},
): BlockDevice {
  return new Proxy<BlockDevice>(device, {
    get(target, name) {
      if (name === 'capabilities') return { ...target.capabilities, ...capabilities };
      if (name === 'geometry') return { ...target.geometry, ...geometry };
      const value: unknown = Reflect.get(target, name, target);
      return typeof value === 'function' ? value.bind(target) : value;
    },
  });
}

const NOTHING = Buffer.alloc(64 * K);

export function memoryOf(content: Buffer, minimumIo = 1): MemoryDevice {
  const device = new MemoryDevice({ size: content.length, minimumIo });
  for (let at = 0; at < content.length; at += 64 * K) {
    const piece = content.subarray(at, at + 64 * K);
    if (!piece.equals(NOTHING.subarray(0, piece.length))) device.write(piece, at, PLAIN);
  }
  return device;
}

export function contentOf(device: BlockDevice): Buffer {
  const content = Buffer.alloc(device.geometry.size);
  device.read(content, 0);
  return content;
}

export interface ExportChoice {
  readonly disk: BlockDevice;
  readonly base?: BlockDevice;
  /** Of the disk; DISK_UUID unless given. */
  readonly uuid?: string;
  readonly differs?: readonly ByteRange[];
  readonly progress?: (fraction: number) => void;
  readonly signal?: AbortSignal;
  readonly now?: () => number;
}

export const DISK_UUID = '5f0c1b2e-8f0a-4c5e-9d64-0a1b2c3d4e5f';
export const BASE_UUID = '11111111-2222-4333-8444-555555555555';

export async function exportStream(
  format: ImageFormat,
  choice: ExportChoice,
): Promise<ImageStream> {
  const { disk, base, differs, progress, signal, now, uuid = DISK_UUID } = choice;
  return exportImage({
    format,
    disk: { device: disk, uuid },
    base:
      base === undefined
        ? undefined
        : {
            device: base,
            uuid: BASE_UUID,
            differs: differs === undefined ? undefined : inTurn(differs),
          },
    signal: signal ?? new AbortController().signal,
    progress: progress ?? (() => undefined),
    now: now ?? (() => 0),
  });
}

export async function* exportPieces(
  format: ImageFormat,
  choice: ExportChoice,
): AsyncGenerator<Buffer> {
  yield* (await exportStream(format, choice)).pieces;
}

export async function exported(format: ImageFormat, choice: ExportChoice): Promise<Buffer> {
  const { length, pieces } = await exportStream(format, choice);
  const image = await joined(pieces);
  expect(image.length).toBe(length ?? image.length);
  return image;
}

export async function joined(pieces: AsyncIterable<Buffer>): Promise<Buffer> {
  const all: Buffer[] = [];
  for await (const piece of pieces) all.push(piece);
  return Buffer.concat(all);
}

async function* inTurn<T>(items: Iterable<T>): AsyncGenerator<T> {
  yield* items;
}

/** @param size of each piece, or what says it anew */
export async function* piecesOf(
  bytes: Buffer,
  size: number | (() => number),
): AsyncGenerator<Buffer> {
  for (let at = 0; at < bytes.length; ) {
    const next = at + (typeof size === 'number' ? size : size());
    yield bytes.subarray(at, next);
    at = next;
  }
}

export async function imported(
  format: ImageFormat,
  bytes: Buffer | AsyncIterable<Buffer>,
  device: BlockDevice,
  more: Partial<ImportRequest> = {},
): Promise<void> {
  await importImage({
    format,
    isChunked: false,
    body: Buffer.isBuffer(bytes) ? piecesOf(bytes, 100_000) : bytes,
    length: Buffer.isBuffer(bytes) ? bytes.length : undefined,
    device,
    isZeroed: false,
    temporaryFolder: tmpdir(),
    signal: new AbortController().signal,
    progress: () => undefined,
    ...more,
  });
}

/** Where they differ, not two buffers of megabytes. */
export function expectSame(found: Buffer, wanted: Buffer): void {
  expect(found.length).toBe(wanted.length);
  if (found.equals(wanted)) return;
  expect(found.findIndex((byte, at) => byte !== wanted[at])).toBe('the same bytes');
}

/** What a device holds that nobody has cleared. */
export function dirty(size: number, minimumIo = 1): MemoryDevice {
  return memoryOf(Buffer.alloc(size, 'rubbish '), minimumIo);
}

/** In units of 64 KiB: what really differs. */
export function differencesOf(base: Buffer, disk: Buffer): ByteRange[] {
  const found: ByteRange[] = [];
  for (let offset = 0; offset < disk.length; offset += 64 * K) {
    const end = Math.min(offset + 64 * K, disk.length);
    const below = Buffer.alloc(end - offset);
    base.subarray(offset, end).copy(below);
    if (!disk.subarray(offset, end).equals(below)) found.push({ offset, length: end - offset });
  }
  return found;
}
