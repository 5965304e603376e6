/** Races between two handles of one overlay, forced: each stops at the worst moment. */
import { describe, expect, test, vi } from 'vitest';
import { PagedBitmap, SharedBitmap } from '../../../../src/base/index.ts';
import {
  type BlockDevice,
  FaultyDevice,
  MemoryDevice,
  PLAIN,
  PLAIN_ZERO,
} from '../../../../src/block/index.ts';
import { openOverlay, recoverOverlay } from '../../../../src/vdisk/index.ts';
import { OverlayState } from '../../../../src/vdisk/overlay/overlay-state.ts';
import { eventLoopTurns } from '../../../support/content.ts';
import { overlayVolumes } from '../../../support/overlays.ts';

const SIZE = 1024 * 1024;
const UNIT = 64 * 1024;

/** A device that stops before every request of one kind until `open` is called. */
function stopAt(inner: BlockDevice, operation: string) {
  const { promise, resolve } = Promise.withResolvers<void>();
  let reached = 0;
  const device = new FaultyDevice(inner, (request) => {
    if (request.operation !== operation) return undefined;
    reached += 1;
    return { delay: promise };
  });
  return { device, open: resolve, reached: () => reached };
}

async function twoHandles(wrap: { data?: string; base?: string }) {
  const base = new MemoryDevice({ size: SIZE });
  for (let at = 0; at < SIZE; at += UNIT) base.write(Buffer.alloc(UNIT, 0xb0), at, PLAIN);
  const { data, map } = await overlayVolumes(SIZE);
  const bootId = 'boot-1';
  const state = await recoverOverlay({
    map,
    size: SIZE,
    bootId,
    quotaBytes: undefined,
    workers: 2,
  });
  const stopped = stopAt(wrap.data ? data : base, wrap.data ?? wrap.base ?? '');
  const onFull = (): void => {};
  const a = openOverlay({
    state,
    base: wrap.base ? stopped.device : base,
    data: wrap.data ? stopped.device : data,
    map,
    worker: 0,
    onFull,
  });
  const b = openOverlay({ state, base, data, map, worker: 1, onFull });
  return { a, b, stopped, state: new OverlayState(state) };
}

/** Does something just after the n-th look at bit 0 of a bitmap. */
function afterLook(bitmap: typeof PagedBitmap | typeof SharedBitmap, n: number, act: () => void) {
  const { test: look } = bitmap.prototype;
  let looks = 0;
  const spy = vi.spyOn(bitmap.prototype, 'test');
  spy.mockImplementation(function (this: PagedBitmap & SharedBitmap, bit) {
    const was = look.call(this, bit);
    if (bit === 0) looks += 1;
    if (looks === n) {
      spy.mockRestore();
      act();
    }
    return was;
  });
}

const writeFirstBlock = (other: BlockDevice) => () => {
  other.write(Buffer.alloc(4096, 7), 0, PLAIN);
};

async function byteAt(device: BlockDevice, offset: number): Promise<number> {
  const target = Buffer.alloc(1);
  await device.read(target, offset);
  return target[0] ?? -1;
}

describe('two handles of one overlay', () => {
  test('a full write waits for the hole that is being punched where it goes', async () => {
    const { a, b, stopped } = await twoHandles({ data: 'trim' });
    await a.write(Buffer.alloc(UNIT, 1), 0, PLAIN);
    await a.zero(0, UNIT, PLAIN_ZERO); // settles; its space is given back later
    while (stopped.reached() === 0) await eventLoopTurns(1);
    let settled = false;
    const write = Promise.resolve(b.write(Buffer.alloc(4096, 2), 4096, PLAIN)).then(() => {
      settled = true;
    });
    await b.write(Buffer.alloc(4096, 3), 2 * UNIT, PLAIN); // elsewhere nobody waits
    await eventLoopTurns(3);
    expect(settled).toBe(false);
    stopped.open();
    await write;
    await eventLoopTurns(3);
    expect(await byteAt(a, 4096)).toBe(2);
    expect(await byteAt(a, 0)).toBe(0);
    expect(await byteAt(b, 2 * UNIT)).toBe(3);
  });

  test('blocks written again before their space was given back are kept', async () => {
    const { a, b, stopped } = await twoHandles({ data: 'trim' });
    await a.write(Buffer.alloc(UNIT, 1), 0, PLAIN);
    await a.zero(0, UNIT, PLAIN_ZERO);
    await b.write(Buffer.alloc(4096, 2), 8192, PLAIN); // before the reclaimer looks
    stopped.open();
    await eventLoopTurns(10);
    expect(await byteAt(b, 8192)).toBe(2);
    expect(await byteAt(b, 0)).toBe(0);
  });

  test('parent bytes read before a zero do not come back after it', async () => {
    const { a, b, stopped } = await twoHandles({ base: 'read' });
    const write = a.write(Buffer.alloc(512, 5), 512, PLAIN); // waits for the parent's bytes
    expect(stopped.reached()).toBe(1);
    await b.zero(0, UNIT, PLAIN_ZERO);
    stopped.open();
    await write;
    expect([await byteAt(b, 0), await byteAt(b, 512), await byteAt(b, 1024)]).toEqual([0, 5, 0]);
  });

  test("another's full write is not overwritten by a block that was being filled up", async () => {
    const { a, b, stopped } = await twoHandles({ base: 'read' });
    const write = a.write(Buffer.alloc(512, 5), 512, PLAIN);
    await b.write(Buffer.alloc(4096, 6), 0, PLAIN);
    stopped.open();
    await write;
    expect([await byteAt(b, 0), await byteAt(b, 512), await byteAt(b, 1024)]).toEqual([6, 5, 6]);
  });

  test('a block that was trimmed meanwhile is filled up from the parent', async () => {
    const { a, b, stopped } = await twoHandles({ data: 'write' });
    stopped.open();
    await b.write(Buffer.alloc(4096, 7), 0, PLAIN);
    const first = b.write(Buffer.alloc(8192, 8), 4096, PLAIN);
    const trim = a.trim(0, 4096, PLAIN);
    const partial = b.write(Buffer.alloc(100, 9), 50, PLAIN);
    await Promise.all([first, trim, partial]);
    await a.trim(0, 4096, PLAIN);
    await b.write(Buffer.alloc(100, 9), 50, PLAIN);
    expect([await byteAt(a, 0), await byteAt(a, 60), await byteAt(a, 200)]).toEqual([
      0xb0, 9, 0xb0,
    ]);
  });

  test('a block that is written while a read looks at it brings no other block of the parent’s', async () => {
    const { a, b, stopped } = await twoHandles({ base: 'read' });
    await b.write(Buffer.alloc(4096, 6), 4096, PLAIN);
    afterLook(PagedBitmap, 2, writeFirstBlock(b));
    const target = Buffer.alloc(7680);
    const read = a.read(target, 512);
    stopped.open();
    await read;
    expect(target.subarray(0, 3584).equals(Buffer.alloc(3584, 7))).toBe(true);
    expect(target.subarray(3584).equals(Buffer.alloc(4096, 6))).toBe(true);
  });

  test('nor does a unit that is zeroed while a read looks at a block in its middle', async () => {
    const { a, b, stopped, state } = await twoHandles({ base: 'read' });
    await b.write(Buffer.alloc(UNIT, 6), UNIT, PLAIN);
    // As a trim of the unit does it; a trim takes turns of the event loop, and there is none in between.
    afterLook(SharedBitmap, 2, () => state.zeroed.set(0, 1));
    const target = Buffer.alloc(2 * UNIT - 3 * 4096);
    const read = a.read(target, 3 * 4096);
    stopped.open();
    await read;
    expect(target.subarray(0, 13 * 4096).equals(Buffer.alloc(13 * 4096))).toBe(true);
    expect(target.subarray(13 * 4096).equals(Buffer.alloc(UNIT, 6))).toBe(true);
  });

  test('… nor an extent of less than nothing', async () => {
    const { a, b } = await twoHandles({});
    afterLook(PagedBitmap, 1, writeFirstBlock(b));
    expect(await a.extents(512, 3584, 10)).toEqual([{ offset: 512, length: 3584, kind: 'data' }]);
  });
});
