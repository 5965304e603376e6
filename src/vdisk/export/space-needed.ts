/** Space for a file, as far as it is known before the disk is read. */
import { Fault } from '../../errors/index.ts';
import { CHUNK_BYTES } from '../manifest/index.ts';
import { wantedChunks, windowsWith } from './disk-windows.ts';
import { writeFault } from './export-fault.ts';
import type { ExportOptions, ExportSource } from './export-request.ts';
import { EXPORT_RESERVE_BYTES, EXPORT_WINDOW_BYTES, HOLE_BYTES } from './limits.ts';
import type { Pass } from './pass.ts';
import { planPlain } from './qcow2-image.ts';
import type { TargetFolder } from './target-file.ts';
import { candidateChunks } from './vhd-blocks.ts';
import { VhdLayout } from './vhd-layout.ts';

/** What a VHD block takes besides its data: its bitmap, and two ends that no hole begins at. */
const VHD_BLOCK_EXTRA_BYTES = 3 * HOLE_BYTES;

/** @throws Fault NO_SPACE, CANCELLED, PERMISSION_DENIED, UNAVAILABLE */
export async function checkSpace(
  source: ExportSource,
  options: ExportOptions,
  folder: string,
  target: TargetFolder,
  pass: Pass,
): Promise<void> {
  const image = await bytesAtMost(source, options, pass);
  const needed = (image ?? 0) + EXPORT_RESERVE_BYTES;
  let free: number;
  try {
    free = await target.free(folder);
  } catch (error) {
    throw writeFault(error, folder);
  }
  if (needed <= free) return;
  throw new Fault('NO_SPACE', `${folder}: needs up to ${needed} bytes and has ${free} free`, {
    field: 'path',
    value: free,
    expected: `${needed} bytes`,
  });
}

/** Undefined: what compresses, or differs, is not known before it was read. */
async function bytesAtMost(
  source: ExportSource,
  options: ExportOptions,
  pass: Pass,
): Promise<number | undefined> {
  const { parent, timestamp } = options;
  const { size, contentId, presentChunks } = source;
  switch (options.format) {
    case 'raw':
      return (await count(presentChunks, size, pass)).bytes;
    case 'qcow2': {
      if (options.compress !== false) return undefined;
      return (await planPlain(source, { plan: pass, body: pass })).length;
    }
    case 'vhd': {
      if (parent !== undefined && parent.changedChunks === undefined) return undefined;
      const { bytes, windows } = await count(candidateChunks(source, parent), size, pass);
      const { length } = new VhdLayout({ size, contentId, timestamp, parent });
      return length + bytes + windows * VHD_BLOCK_EXTRA_BYTES;
    }
  }
}

async function count(
  chunks: Uint8Array,
  size: number,
  pass: Pass,
): Promise<{ readonly bytes: number; readonly windows: number }> {
  let bytes = 0;
  let windows = 0;
  for await (const offset of windowsWith(chunks, size, pass)) {
    windows += 1;
    for (const at of wantedChunks(chunks, offset, Math.min(offset + EXPORT_WINDOW_BYTES, size))) {
      bytes += Math.min(CHUNK_BYTES, size - at);
    }
    await pass.spend(CHUNK_BYTES);
  }
  return { bytes, windows };
}
