/**
 * Opens an image and everything below it. Read first: this decides the format, follows backing files
 * and parents, and closes what it opened when any of them fails.
 *
 * Backing files are followed as QEMU does: relative to the folder of the image that names them, or
 * absolute, and only regular files. An image whose format is looked up from its content is trusted to
 * name its backing file; give the format `raw` for a disk that a guest could have written to.
 */
import { dirname, resolve } from 'node:path';
import { Fault } from '../../errors/index.ts';
import { type ByteSource, type OpenSource, openFileSource } from './byte-source.ts';
import { detectFormat } from './detect.ts';
import { invalidImage, unsupportedImage } from './image-fault.ts';
import type { ImageFormat, ImageReader } from './image-reader.ts';
import { CHAIN_DEPTH_MAX, IMAGE_SIZE_MAX } from './limits.ts';
import { readQcow2Header } from './qcow2-header.ts';
import { Qcow2Reader } from './qcow2-reader.ts';
import { mapData, type QemuImg, qemuImg } from './qemu-img.ts';
import { QemuReader } from './qemu-reader.ts';
import { RawReader } from './raw-reader.ts';
import { readVhdFooter, readVhdHeader, type VhdFooter, type VhdHeader } from './vhd-footer.ts';
import { vhdParentPaths } from './vhd-parent.ts';
import { FixedVhdReader, SparseVhdReader } from './vhd-reader.ts';

export interface OpenImageOptions {
  /** Undefined: found from the content. */
  readonly format: ImageFormat | undefined;
  /** For formats that qemu-img reads for us. */
  readonly temporaryFolder: string;
  readonly signal?: AbortSignal | undefined;
  readonly openSource?: OpenSource;
  readonly qemuImg?: QemuImg;
}

interface Chain {
  readonly openSource: OpenSource;
  readonly qemuImg: QemuImg;
  readonly temporaryFolder: string;
  readonly signal: AbortSignal | undefined;
  /** Identities of the images from the top down to here. */
  readonly above: readonly string[];
}

/**
 * @throws Fault NOT_FOUND, PERMISSION_DENIED, INVALID_INPUT, IMAGE_INVALID, IMAGE_UNSUPPORTED,
 *   BACKING_FILE_MISSING, TOOL_MISSING, CANCELLED
 */
export function openImage(path: string, options: OpenImageOptions): Promise<ImageReader> {
  return openLink(path, options.format, {
    openSource: options.openSource ?? openFileSource,
    qemuImg: options.qemuImg ?? qemuImg(),
    temporaryFolder: options.temporaryFolder,
    signal: options.signal,
    above: [],
  });
}

async function openLink(
  path: string,
  format: ImageFormat | undefined,
  chain: Chain,
): Promise<ImageReader> {
  const source = await chain.openSource(path);
  try {
    const here = enter(source, chain);
    const found = format ?? (await detectFormat(source));
    switch (found) {
      case 'raw':
        return await openRaw(source, chain);
      case 'qcow2':
        return await openQcow2(source, here);
      case 'vhd':
        return await openVhd(source, here);
      case 'vmdk':
      case 'vhdx':
      case 'vdi': {
        const reader = await QemuReader.open(source, found, chain);
        await source.close();
        return reader;
      }
    }
  } catch (error) {
    await source.close();
    throw error;
  }
}

/** One image deeper; refuses loops and chains that are too long. */
function enter(source: ByteSource, chain: Chain): Chain {
  if (chain.above.includes(source.identity)) {
    throw invalidImage(source.name, 'backing file', source.name, 'no image twice in one chain');
  }
  if (chain.above.length >= CHAIN_DEPTH_MAX) {
    const detail = `a chain has at most ${CHAIN_DEPTH_MAX} images (CHAIN_DEPTH_MAX)`;
    throw unsupportedImage(source.name, 'chain depth', chain.above.length + 1, detail);
  }
  return { ...chain, above: [...chain.above, source.identity] };
}

async function openRaw(source: ByteSource, chain: Chain): Promise<ImageReader> {
  if (source.size > IMAGE_SIZE_MAX) {
    const detail = `the largest disk is ${IMAGE_SIZE_MAX} bytes (IMAGE_SIZE_MAX)`;
    throw unsupportedImage(source.name, 'size', source.size, detail);
  }
  if (source.allocatedBytes >= source.size) return new RawReader(source);
  try {
    const map = await mapData(chain.qemuImg, resolve(source.name), 'raw', undefined, chain.signal);
    return new RawReader(source, map);
  } catch (error) {
    if (error instanceof Fault && error.code === 'CANCELLED') throw error;
    return new RawReader(source); // the map saves time only: read everything instead
  }
}

async function openQcow2(source: ByteSource, chain: Chain): Promise<ImageReader> {
  const header = await readQcow2Header(source);
  let data: ByteSource | undefined;
  let backing: ImageReader | undefined;
  try {
    if (header.dataFile !== undefined) {
      const path = besides(source, header.dataFile, 'external data file');
      data = await belowOf(source, 'external data file', path, () => chain.openSource(path));
    }
    if (header.backingFile !== undefined) {
      const path = besides(source, header.backingFile, 'backing file');
      const format = backingFormat(source, header.backingFormat);
      backing = await belowOf(source, 'backing file', path, () => openLink(path, format, chain));
    }
    return await Qcow2Reader.open(source, header, data, backing);
  } catch (error) {
    await data?.close();
    await backing?.close();
    throw error;
  }
}

const BACKING_FORMATS: Readonly<Record<string, ImageFormat>> = {
  raw: 'raw',
  file: 'raw',
  qcow2: 'qcow2',
  vpc: 'vhd',
  vmdk: 'vmdk',
  vhdx: 'vhdx',
  vdi: 'vdi',
};

function backingFormat(source: ByteSource, name: string | undefined): ImageFormat | undefined {
  if (name === undefined || name === '') return undefined;
  const format = BACKING_FORMATS[name];
  if (format !== undefined) return format;
  const detail = `we know ${Object.keys(BACKING_FORMATS).join(', ')}`;
  throw unsupportedImage(source.name, 'backing format', name, detail);
}

/** The path that a name inside of an image means. */
function besides(source: ByteSource, name: string, field: string): string {
  if (name.includes('\0'))
    throw invalidImage(source.name, field, name, 'a path without a zero byte');
  const path = name.startsWith('file:') ? name.slice('file:'.length) : name;
  const protocol = /^[a-z0-9+.-]+:/i.exec(path)?.[0];
  if (protocol !== undefined) {
    throw unsupportedImage(source.name, field, name, `only files are followed, not "${protocol}"`);
  }
  return resolve(dirname(resolve(source.name)), path);
}

/** A missing file below an image is another mistake than a missing image: say whose it is. */
async function belowOf<T>(
  source: ByteSource,
  field: string,
  path: string,
  open: () => Promise<T>,
): Promise<T> {
  try {
    return await open();
  } catch (error) {
    if (!(error instanceof Fault) || !CANNOT_BE_OPENED.has(error.code)) throw error;
    throw new Fault(
      'BACKING_FILE_MISSING',
      `${source.name}: ${field} ${path} cannot be opened: ${error.message}`,
      { field, value: path, expected: 'a file that can be read' },
      { cause: error },
    );
  }
}

const CANNOT_BE_OPENED: ReadonlySet<string> = new Set([
  'NOT_FOUND',
  'PERMISSION_DENIED',
  'INVALID_INPUT',
]);

async function openVhd(source: ByteSource, chain: Chain): Promise<ImageReader> {
  const footer = await readVhdFooter(source);
  if (footer.kind === 'fixed') return new FixedVhdReader(source, footer);
  const header = await readVhdHeader(source, footer);
  if (footer.kind === 'dynamic') return SparseVhdReader.open(source, footer, header, undefined);
  const parent = await openVhdParent(source, footer, header, chain);
  try {
    return await SparseVhdReader.open(source, footer, header, parent);
  } catch (error) {
    await parent.close();
    throw error;
  }
}

/** The first path that is there must be the right one: its unique id says so. */
async function openVhdParent(
  source: ByteSource,
  footer: VhdFooter,
  header: VhdHeader,
  chain: Chain,
): Promise<ImageReader> {
  const paths = await vhdParentPaths(source, header);
  let missing: unknown;
  for (const path of paths) {
    try {
      await checkParentId(path, footer, header, source, chain);
    } catch (error) {
      if (!(error instanceof Fault && error.code === 'NOT_FOUND')) throw error;
      missing ??= error;
      continue;
    }
    return belowOf(source, 'parent', path, () => openLink(path, 'vhd', chain));
  }
  throw new Fault(
    'BACKING_FILE_MISSING',
    `${source.name}: its parent is not at ${paths.join(' nor at ') || 'any place it names'}`,
    { field: 'parent', value: paths[0] ?? header.parentName, expected: 'the parent VHD' },
    { cause: missing },
  );
}

async function checkParentId(
  path: string,
  footer: VhdFooter,
  header: VhdHeader,
  child: ByteSource,
  chain: Chain,
): Promise<void> {
  const source = await chain.openSource(path);
  try {
    const { uniqueId } = await readVhdFooter(source);
    if (uniqueId === footer.uniqueId) {
      throw invalidImage(child.name, 'parent unique id', uniqueId, 'not the image itself');
    }
    if (uniqueId !== header.parentId) {
      const expected = `${uniqueId}, the unique id of ${path}`;
      throw invalidImage(child.name, 'parent unique id', header.parentId, expected);
    }
  } finally {
    await source.close();
  }
}
