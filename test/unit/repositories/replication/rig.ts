/** Points as whole buffers, the devices that hold them, and the work of a copy that a test owns. */
import {
  type BlockDevice,
  MemoryDevice,
  PLAIN,
  PLAIN_ZERO,
  type ReadableBlockDevice,
} from '../../../../src/block/index.ts';
import {
  type Change,
  type ChangeSource,
  type CopyCursor,
  type CopyRequest,
  type CopyWork,
  Throttle,
} from '../../../../src/repositories/replication/index.ts';

export const CHUNK = 64 * 1024;
const ZEROES = Buffer.alloc(CHUNK);

export interface Edit {
  readonly offset: number;
  readonly length: number;
  /** 0: becomes a hole. */
  readonly fill: number;
}

export function edited(before: Buffer, edits: readonly Edit[], size = before.length): Buffer {
  const after = Buffer.alloc(size);
  before.copy(after);
  for (const { offset, length, fill } of edits) {
    for (let at = offset; at < Math.min(offset + length, size); at++) {
      after[at] = fill === 0 ? 0 : (fill + at * 7) & 0xff;
    }
  }
  return after;
}

/** Holes where whole pages are zero. */
export function deviceOf(content: Buffer, size = content.length): MemoryDevice {
  const device = new MemoryDevice({ size });
  for (let at = 0; at < content.length; at += CHUNK) {
    const page = content.subarray(at, at + CHUNK);
    if (!page.equals(ZEROES.subarray(0, page.length))) device.write(page, at, PLAIN);
  }
  return device;
}

export async function contentOf(device: ReadableBlockDevice): Promise<Buffer> {
  const content = Buffer.alloc(device.geometry.size);
  await device.read(content, 0);
  return content;
}

/** What a snapshot difference says: true, in pieces that need not be aligned, and more than it has to. */
export function changesOf(edits: readonly Edit[], before: number, size: number): ChangeSource {
  const marks = new Uint8Array(size); // 1: data, 2: hole
  marks.fill(1, Math.min(before, size));
  for (const { offset, length, fill } of edits) {
    marks.fill(fill === 0 ? 2 : 1, offset, Math.min(offset + length, size));
  }
  const changes: Change[] = [];
  for (let at = 0; at < size; ) {
    const mark = marks[at] ?? 0;
    let end = at;
    while (end < size && marks[end] === mark) end += 1;
    if (mark !== 0) {
      changes.push({ offset: at, length: end - at, kind: mark === 1 ? 'data' : 'hole' });
    }
    at = end;
  }
  return async function* (from) {
    for (const change of changes) if (change.offset + change.length > from) yield change;
  };
}

export function freely(): Throttle {
  return new Throttle(undefined, { now: () => 0, sleep: async () => undefined });
}

export interface Watched extends CopyWork {
  readonly cursors: CopyCursor[];
}

/** @param eager a checkpoint after every step */
export function workOf(more: Partial<CopyWork> = {}, eager = true): Watched {
  const cursors: CopyCursor[] = [];
  let time = 0;
  return {
    throttle: freely(),
    signal: new AbortController().signal,
    now: () => {
      if (eager) time += 10_000;
      return time;
    },
    random: () => 0.5,
    record: (cursor) => void cursors.push(cursor),
    ...more,
    cursors,
  };
}

export function requestOf(
  source: ReadableBlockDevice,
  target: BlockDevice,
  more: Partial<CopyRequest> = {},
): CopyRequest {
  return {
    ...{ source, target, since: undefined, compare: false, verification: 'whole' },
    cursor: undefined,
    ...more,
  };
}

/** A device whose content is garbage: nothing may be taken for granted. */
export function garbage(size: number): MemoryDevice {
  const device = new MemoryDevice({ size });
  device.zero(0, size, { ...PLAIN_ZERO, noHole: true });
  for (let at = 0; at < size; at += 9000) {
    device.write(Buffer.from([0xaa, 0xbb]).subarray(0, Math.min(2, size - at)), at, PLAIN);
  }
  return device;
}
