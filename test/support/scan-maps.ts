/** What recovery must find, found out by reading all of both maps and nothing else. */
import { expect } from 'vitest';
import type { MemoryDevice } from '../../src/block/index.ts';
import { mapGeometry } from '../../src/vdisk/overlay/map-layout.ts';
import { OverlayState } from '../../src/vdisk/overlay/overlay-state.ts';

const PAGE = 4096;

/** What recovery must come to, by reading all of both maps and nothing else. */
export interface Found {
  readonly bits: Buffer;
  readonly dirty: number[];
  readonly reserved: number[];
  readonly owned: number;
}

export function mapsOf(map: { read(target: Buffer, offset: number): unknown }, size: number) {
  const { mapBytes, liveOffset, durableOffset } = mapGeometry(size);
  const [live, durable] = [Buffer.alloc(mapBytes), Buffer.alloc(mapBytes)];
  map.read(live, liveOffset);
  map.read(durable, durableOffset);
  return { live, durable };
}

const pagesWhere = (bytes: Buffer, is: (from: number, to: number) => boolean): number[] =>
  Array.from({ length: bytes.length / PAGE }, (_, page) => page).filter((page) =>
    is(page * PAGE, (page + 1) * PAGE),
  );

const EMPTY = Buffer.alloc(PAGE);
const isZero = (bytes: Buffer, from: number, to: number): boolean =>
  bytes.subarray(from, to).equals(EMPTY);

export function scanAll(map: MemoryDevice, size: number, sameBoot: boolean): Found {
  const { live, durable } = mapsOf(map, size);
  const bits = sameBoot ? live : durable;
  const ownedBytes = Math.ceil(mapGeometry(size).blocks / 8);
  let owned = 0;
  for (const page of pagesWhere(bits, (from, to) => !isZero(bits, from, to))) {
    for (const byte of bits.subarray(page * PAGE, Math.min(ownedBytes, (page + 1) * PAGE))) {
      for (let rest = byte; rest > 0; rest &= rest - 1) owned += 1;
    }
  }
  return {
    bits,
    dirty: sameBoot
      ? pagesWhere(live, (from, to) => !live.subarray(from, to).equals(durable.subarray(from, to)))
      : [],
    reserved: pagesWhere(durable, (from, to) => !isZero(durable, from, to)),
    owned,
  };
}

export function foundBy(buffer: SharedArrayBuffer): Found {
  const state = new OverlayState(buffer);
  const bits = Buffer.alloc(state.geometry.mapBytes);
  state.copyMap(bits, 0);
  return {
    bits,
    dirty: pagesWhere(bits, (from) => state.dirty.test(from / PAGE)),
    reserved: pagesWhere(bits, (from) => state.reserved.test(from / PAGE)),
    owned: state.ownedBlocks,
  };
}

export function expectFound(buffer: SharedArrayBuffer, wanted: Found): void {
  const { bits, ...rest } = foundBy(buffer);
  const { bits: wantedBits, ...wantedRest } = wanted;
  expect(rest).toEqual(wantedRest);
  expect(bits.equals(wantedBits)).toBe(true); // toEqual looks at millions of bytes one by one
}
