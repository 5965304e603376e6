import { isPromise } from '../base/index.ts';
import type { BlockDevice, Extent } from '../block/index.ts';
import { SPARSE_CHUNKS } from './limits.ts';

/**
 * How a range splits into data and holes, neighbours of one answer merged; a single data extent when
 * it is too fragmented to be worth it. Undefined when the device would have to wait for the answer.
 */
export function sparseLayout(
  device: BlockDevice,
  offset: number,
  length: number,
): readonly Extent[] | undefined {
  const answer = device.extents(offset, length, SPARSE_CHUNKS);
  if (isPromise(answer)) {
    // The question was a mistake, and so its failure is nobody's concern.
    answer.catch(() => undefined);
    return undefined;
  }
  const layout: Extent[] = [];
  const end = offset + length;
  let at = offset;
  for (const extent of answer) {
    if (at >= end) break;
    const size = Math.min(extent.length, end - at);
    const kind = extent.kind === 'data' ? 'data' : 'hole';
    const before = layout.at(-1);
    if (before?.kind === kind) {
      layout[layout.length - 1] = { ...before, length: before.length + size };
    } else layout.push({ offset: at, length: size, kind });
    at += size;
  }
  if (at < end) return [{ offset, length, kind: 'data' }];
  return layout;
}
