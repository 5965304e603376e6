/**
 * The order in which things reach the device, checked at every request: an extent is mapped only when zeroes were
 * written to all of it and a flush came after them; it is changed by the control thread only when the record that took
 * it from its volume was flushed. Random crashes rarely fall into these gaps; this looks for the gaps themselves.
 */
import { expect, test } from 'vitest';
import { type BlockDevice, MemoryDevice, PLAIN, PLAIN_ZERO } from '../../../../src/block/index.ts';
import { decodeJournalBlock } from '../../../../src/repositories/carved/journal-block.ts';
import { journalPlace, type Layout } from '../../../../src/repositories/carved/layout.ts';
import { readSuperblocks } from '../../../../src/repositories/carved/metadata-io.ts';
import type { MetadataRecord } from '../../../../src/repositories/carved/records.ts';
import { attachForTest, KIB, MIB, makeVolume, workerOf } from '../../../support/carved.ts';
import { eventLoopTurns } from '../../../support/content.ts';
import { seededRandom } from '../../../support/seed.ts';

const EXTENT = 64 * KIB;

class Order {
  readonly faults: string[] = [];
  mapped = 0;
  changed = 0;
  #layout: (Layout & { formatId: string }) | undefined;
  #time = 0;
  /** When the flush began that has settled last. */
  #flushed = 0;
  readonly #zeroed = new Map<number, number>();
  readonly #taken = new Map<number, number>();
  readonly #maps = new Map<number, Map<number, number>>();

  know(layout: Layout & { formatId: string }): void {
    this.#layout = layout;
  }

  begin(): number {
    this.#time += 1;
    return this.#time;
  }

  flushed(began: number): void {
    this.#flushed = Math.max(this.#flushed, began);
  }

  /** The control thread zeroes or trims. */
  clear(offset: number, length: number): void {
    for (const extent of this.#extents(offset, length)) {
      const taken = this.#taken.get(extent);
      this.changed += 1;
      if (taken !== undefined && taken >= this.#flushed) {
        this.faults.push(`extent ${extent} is changed before its record was flushed`);
      }
    }
  }

  zeroed(offset: number, length: number): void {
    for (const extent of this.#extents(offset, length)) this.#zeroed.set(extent, this.begin());
  }

  /** Written by a worker: it is no longer known to be zero. */
  written(offset: number, length: number): void {
    for (const extent of this.#extents(offset, length)) this.#zeroed.delete(extent);
  }

  journal(source: Buffer, offset: number): void {
    const layout = this.#layout;
    if (layout === undefined) return;
    if (offset < journalPlace(layout.region, 0, 0) || offset >= journalPlace(layout.region, 0, 1)) {
      return; // the second copy says the same
    }
    for (let at = 0; at < source.length; at += 4096) {
      const block = decodeJournalBlock(source.subarray(at, at + 4096), layout.formatId);
      for (const record of block?.records ?? []) this.#record(record);
    }
  }

  #record(record: MetadataRecord): void {
    const map = this.#maps.get(record.volume) ?? new Map<number, number>();
    this.#maps.set(record.volume, map);
    if (record.kind === 'map') {
      for (let i = 0; i < record.count; i++) {
        const extent = record.physical + i;
        const zeroed = this.#zeroed.get(extent);
        this.mapped += 1;
        if (zeroed === undefined || zeroed >= this.#flushed) {
          this.faults.push(`extent ${extent} is mapped before its zeroes were flushed`);
        }
        map.set(record.logical + i, extent);
      }
    }
    if (record.kind !== 'unmap' && record.kind !== 'delete') return;
    const first = record.kind === 'unmap' ? record.logical : 0;
    const end = record.kind === 'unmap' ? first + record.count : Number.POSITIVE_INFINITY;
    for (const [index, extent] of map) {
      if (index < first || index >= end) continue;
      this.#taken.set(extent, this.begin());
      map.delete(index);
    }
  }

  #extents(offset: number, length: number): number[] {
    const layout = this.#layout;
    if (layout === undefined || offset < layout.dataStart) return [];
    const first = Math.floor((offset - layout.dataStart) / layout.extentSize);
    const last = Math.floor((offset + length - 1 - layout.dataStart) / layout.extentSize);
    return Array.from({ length: last - first + 1 }, (_, i) => first + i);
  }
}

/** @param control whose handle it is */
function watched(device: BlockDevice, order: Order, control: boolean): BlockDevice {
  const random = seededRandom();
  const pause = () => eventLoopTurns(Math.floor(random() * 3));
  return {
    geometry: device.geometry,
    capabilities: device.capabilities,
    read: (target, offset) => device.read(target, offset),
    lend: () => undefined,
    cache: () => undefined,
    extents: (offset, length, limit) => device.extents(offset, length, limit),
    close: async () => {},
    write: async (source, offset, options) => {
      if (control) order.journal(source, offset);
      else order.written(offset, source.length);
      await device.write(source, offset, options);
      await pause();
    },
    flush: async () => {
      const began = order.begin();
      await pause();
      await device.flush();
      order.flushed(began);
    },
    trim: async (offset, length, options) => {
      if (control) order.clear(offset, length);
      await pause();
      await device.trim(offset, length, options);
    },
    zero: async (offset, length, options) => {
      if (control) order.clear(offset, length);
      await pause();
      await device.zero(offset, length, options);
      if (control) order.zeroed(offset, length);
    },
  };
}

test('no extent is mapped before its zeroes are stable, nor changed before it is known to be free', async () => {
  const random = seededRandom();
  const below = (limit: number): number => Math.floor(random() * limit);
  const disk = new MemoryDevice({ size: 6 * MIB, minimumIo: 512 });
  const order = new Order();
  const control = await attachForTest({
    device: watched(disk, order, true),
    repositoryId: 'order',
    create: true,
  });
  const { newest } = await readSuperblocks((to, at) => disk.read(to, at), disk.geometry.size);
  if (newest === undefined) throw new Error('no superblock');
  order.know(newest);
  await control.close();
  const again = await attachForTest({ device: watched(disk, order, true), repositoryId: 'order' });
  const worker = workerOf(again, () => watched(disk, order, false));
  for (let round = 0; round < 25; round++) {
    const thin = random() < 0.7;
    const volume = await makeVolume(again, 30 * EXTENT, { thin });
    const device = await worker.open(volume.locator, { write: true });
    for (let step = 0; step < 12; step++) {
      const first = below(30);
      const at = first * EXTENT;
      const length = (1 + below(30 - first)) * EXTENT;
      if (random() < 0.6) await device.write(Buffer.alloc(length, 1), at, PLAIN);
      else await device.zero(at, length, PLAIN_ZERO);
      if (random() < 0.1) await device.flush();
    }
    await device.close();
    await again.deleteVolume({ opId: 'd', ref: volume.ref });
  }
  await again.close();
  expect(order.faults).toEqual([]);
  expect(order.mapped).toBeGreaterThan(200);
  expect(order.changed).toBeGreaterThan(200);
});
