import { expect } from 'vitest';
import { Fault } from '../../../../src/errors/index.ts';
import { type ImageFormat, openImage, type QemuImg } from '../../../../src/vdisk/formats/index.ts';
import type { MemoryFiles } from './memory-files.ts';

const noQemu: QemuImg = async () => {
  throw new Fault('TOOL_MISSING', 'no qemu-img in this test');
};

export function open(files: MemoryFiles, path: string, format?: ImageFormat, qemuImg = noQemu) {
  return openImage(path, {
    format,
    temporaryFolder: '/nowhere',
    openSource: files.openSource,
    qemuImg,
  });
}

/** The whole disk, through runs of at most `step` bytes; checks that nothing stays open. */
export async function readImage(
  files: MemoryFiles,
  path: string,
  options: { readonly format?: ImageFormat; readonly step?: number } = {},
): Promise<Buffer> {
  const reader = await open(files, path, options.format);
  const step = options.step ?? 100_000;
  const disk = Buffer.alloc(reader.size);
  try {
    for (let offset = 0; offset < reader.size; ) {
      const asked = Math.min(step, reader.size - offset);
      const run = await reader.run(offset, asked);
      expect(run.length).toBeGreaterThan(0);
      expect(run.length).toBeLessThanOrEqual(asked);
      if (run.kind === 'data') {
        // Rubbish first: a reader must fill what reads as zeroes too.
        const part = disk.subarray(offset, offset + run.length).fill(0x5a);
        await reader.read(part, offset);
      }
      offset += run.length;
    }
  } finally {
    await reader.close();
  }
  expect(files.open).toBe(0);
  return disk;
}

export async function faultOf(promise: Promise<unknown>): Promise<Fault> {
  try {
    await promise;
  } catch (error) {
    if (error instanceof Fault) return error;
    throw error;
  }
  throw new Error('nothing was thrown');
}
