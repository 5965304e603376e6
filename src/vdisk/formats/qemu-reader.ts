/**
 * Reads a format that we have no reader for through qemu-img, without a second copy of the disk:
 * `qemu-img map` says where the data is, and `qemu-img dd` copies one window of it at a time into a
 * temporary file, which the next window replaces.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { Fault } from '../../errors/index.ts';
import { type ByteSource, type OpenSource, readField } from './byte-source.ts';
import { invalidImage, unsupportedImage } from './image-fault.ts';
import type { ImageFormat, ImageReader, Run } from './image-reader.ts';
import { IMAGE_SIZE_MAX, QEMU_WINDOW_BYTES } from './limits.ts';
import { mapData, QEMU_NAMES, type QemuImg, virtualSize } from './qemu-img.ts';
import { type DataExtent, runInExtents } from './raw-reader.ts';

/** A VMDK with its descriptor and its data in one file. */
const VMDK_SPARSE_MAGIC = 'KDMV';

/** `qemu-img dd` skips and counts in these units. */
const BLOCK_BYTES = 1024 * 1024;

export interface QemuReaderOptions {
  readonly qemuImg: QemuImg;
  /** Where the temporary file goes; needs QEMU_WINDOW_BYTES. */
  readonly temporaryFolder: string;
  readonly openSource: OpenSource;
  readonly signal: AbortSignal | undefined;
}

interface Window {
  readonly index: number;
  readonly source: ByteSource;
}

export class QemuReader implements ImageReader {
  readonly format: ImageFormat;
  readonly size: number;
  readonly #path: string;
  readonly #data: readonly DataExtent[];
  readonly #folder: string;
  readonly #options: QemuReaderOptions;
  #window: Window | undefined;

  private constructor(
    format: ImageFormat,
    path: string,
    size: number,
    data: readonly DataExtent[],
    folder: string,
    options: QemuReaderOptions,
  ) {
    this.format = format;
    this.size = size;
    this.#path = path;
    this.#data = data;
    this.#folder = folder;
    this.#options = options;
  }

  /** @throws Fault TOOL_MISSING, IMAGE_INVALID, CANCELLED */
  static async open(
    source: ByteSource,
    format: ImageFormat,
    options: QemuReaderOptions,
  ): Promise<QemuReader> {
    const { name } = source;
    const path = resolve(name); // never starts with a protocol such as `json:`
    const { qemuImg, signal } = options;
    try {
      const size = await virtualSize(qemuImg, path, format, signal);
      if (size > IMAGE_SIZE_MAX) {
        const detail = `the largest disk is ${IMAGE_SIZE_MAX} bytes (IMAGE_SIZE_MAX)`;
        throw unsupportedImage(name, 'virtual size', size, detail);
      }
      const data = await mapData(qemuImg, path, format, await wholeFile(source, format), signal);
      const folder = await mkdtemp(join(options.temporaryFolder, 'qemu-img-'));
      return new QemuReader(format, path, size, data, folder, options);
    } catch (error) {
      throw qemuFault(name, format, error);
    }
  }

  async run(offset: number, length: number): Promise<Run> {
    return runInExtents(this.#data, offset, length);
  }

  async read(target: Buffer, offset: number): Promise<void> {
    let done = 0;
    while (done < target.length) {
      const at = offset + done;
      const index = Math.floor(at / QEMU_WINDOW_BYTES);
      const inWindow = at - index * QEMU_WINDOW_BYTES;
      const length = Math.min(target.length - done, QEMU_WINDOW_BYTES - inWindow);
      const window = await this.#open(index);
      const part = target.subarray(done, done + length);
      await readField(window.source, part, inWindow, `window ${index}`);
      done += length;
    }
  }

  async #open(index: number): Promise<Window> {
    if (this.#window?.index === index) return this.#window;
    const file = join(this.#folder, 'window.raw');
    await this.#closeWindow();
    await rm(file, { force: true });
    const first = (index * QEMU_WINDOW_BYTES) / BLOCK_BYTES;
    const args = ['dd', '-f', QEMU_NAMES[this.format], '-O', 'raw', `bs=${BLOCK_BYTES}`];
    args.push(`skip=${first}`, `count=${first + QEMU_WINDOW_BYTES / BLOCK_BYTES}`);
    args.push(`if=${this.#path}`, `of=${file}`);
    try {
      await this.#options.qemuImg(args, this.#options.signal);
    } catch (error) {
      throw qemuFault(this.#path, this.format, error);
    }
    this.#window = { index, source: await this.#options.openSource(file) };
    return this.#window;
  }

  async #closeWindow(): Promise<void> {
    await this.#window?.source.close();
    this.#window = undefined;
  }

  async close(): Promise<void> {
    await this.#closeWindow();
    await rm(this.#folder, { recursive: true, force: true });
  }
}

/** Size of the file when it is all of the image: a VMDK may be a text that names others. */
async function wholeFile(source: ByteSource, format: ImageFormat): Promise<number | undefined> {
  if (format !== 'vmdk') return source.size;
  const magic = Buffer.alloc(VMDK_SPARSE_MAGIC.length);
  await source.read(magic, 0);
  return magic.toString('latin1') === VMDK_SPARSE_MAGIC ? source.size : undefined;
}

function qemuFault(path: string, format: ImageFormat, error: unknown): Error {
  if (error instanceof Fault) return error;
  const message = error instanceof Error ? error.message : String(error);
  if (/No space left on device/.test(message)) {
    return new Fault(
      'NO_SPACE',
      `${path}: no room for the temporary file: ${message}`,
      {},
      { cause: error },
    );
  }
  return invalidImage(
    path,
    'image',
    `refused by qemu-img (${message})`,
    `a whole ${format} image`,
    {
      cause: error,
    },
  );
}
