/**
 * The one external program of the image formats. It reads the formats that we have no reader for, and
 * tells where a sparse raw file has holes, which Node cannot ask.
 */
import { execFile } from 'node:child_process';
import { Fault } from '../../errors/index.ts';
import { invalidImage } from './image-fault.ts';
import type { ImageFormat } from './image-reader.ts';
import { QEMU_MAP_BYTES_MAX, QEMU_MESSAGE_BYTES_MAX } from './limits.ts';
import type { DataExtent } from './raw-reader.ts';

/** Runs qemu-img and gives back what it prints. */
export type QemuImg = (args: readonly string[], signal: AbortSignal | undefined) => Promise<string>;

/** @throws Fault TOOL_MISSING, CANCELLED; Error with qemu-img's message */
export function qemuImg(program = 'qemu-img'): QemuImg {
  return (args, signal) =>
    new Promise((settle, reject) => {
      const options = {
        maxBuffer: QEMU_MAP_BYTES_MAX,
        encoding: 'utf8' as const,
        env: { ...process.env, LC_ALL: 'C' },
        ...(signal === undefined ? {} : { signal }),
      };
      execFile(program, args, options, (error, stdout, stderr) => {
        if (error === null) settle(stdout);
        else if (signal?.aborted) reject(new Fault('CANCELLED', 'cancelled while qemu-img ran'));
        else if (error.code === 'ENOENT') reject(missing(program));
        else reject(new Error(messageOf(stderr) || error.message, { cause: error }));
      });
    });
}

function missing(program: string): Fault {
  return new Fault(
    'TOOL_MISSING',
    `${program} is not installed; it reads VMDK, VHDX and VDI images. Install the Debian package ` +
      'qemu-utils (Fedora: qemu-img), or convert the image to qcow2 elsewhere first',
    { field: 'format', expected: 'qemu-img (Debian package qemu-utils)' },
  );
}

function messageOf(stderr: string): string {
  return stderr
    .slice(0, QEMU_MESSAGE_BYTES_MAX)
    .replaceAll(/\s*\n\s*/g, ' ')
    .trim();
}

/** What qemu-img calls our formats. */
export const QEMU_NAMES: Readonly<Record<ImageFormat, string>> = {
  raw: 'raw',
  qcow2: 'qcow2',
  vhd: 'vpc',
  vmdk: 'vmdk',
  vhdx: 'vhdx',
  vdi: 'vdi',
};

/**
 * The data of an image, from `qemu-img map`. Zeroes and holes are left out.
 * @param fileSize bytes of the file that holds all of the image; undefined when others do too.
 *   qemu-img reads what lies beyond the end of a file that was cut off as zeroes; we refuse it.
 */
export async function mapData(
  run: QemuImg,
  path: string,
  format: ImageFormat,
  fileSize: number | undefined,
  signal: AbortSignal | undefined,
): Promise<readonly DataExtent[]> {
  const printed = await run(['map', '--output=json', '-f', QEMU_NAMES[format], '--', path], signal);
  const data: DataExtent[] = [];
  for (const entry of parseArray(path, printed)) {
    const { start, length, zero, depth, offset } = entry as Readonly<Record<string, unknown>>;
    if (typeof start !== 'number' || typeof length !== 'number' || typeof zero !== 'boolean') {
      throw invalidImage(path, 'qemu-img map', JSON.stringify(entry), 'start, length and zero');
    }
    if (zero) continue;
    if (fileSize !== undefined && depth === 0 && typeof offset === 'number') {
      const end = offset + length;
      if (end > fileSize)
        throw invalidImage(
          path,
          `data of disk offset ${start}`,
          `at ${offset}…${end}`,
          `inside of the file, which has ${fileSize} bytes`,
        );
    }
    data.push({ offset: start, length });
  }
  return data;
}

/** Virtual size in bytes, from `qemu-img info`. */
export async function virtualSize(
  run: QemuImg,
  path: string,
  format: ImageFormat,
  signal: AbortSignal | undefined,
): Promise<number> {
  const printed = await run(
    ['info', '--output=json', '-f', QEMU_NAMES[format], '--', path],
    signal,
  );
  const size = (JSON.parse(printed) as { 'virtual-size'?: unknown })['virtual-size'];
  if (typeof size === 'number' && Number.isSafeInteger(size)) return size;
  throw invalidImage(path, 'virtual-size of qemu-img info', String(size), 'a number of bytes');
}

function parseArray(path: string, printed: string): readonly unknown[] {
  const parsed: unknown = JSON.parse(printed);
  if (Array.isArray(parsed)) return parsed;
  throw invalidImage(path, 'qemu-img map', typeof parsed, 'an array');
}
