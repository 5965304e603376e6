/**
 * Several overlays of one base against a naive model, on disks up to 2 TiB, reopened now and then.
 * The model knows 512-byte sectors; a sector holds one repeated byte, so that huge disks are cheap.
 */
import fc from 'fast-check';
import { afterEach, describe, expect, test } from 'vitest';
import {
  type BlockDevice,
  MemoryDevice,
  PLAIN,
  PLAIN_ZERO,
  ZeroDevice,
} from '../../../../src/block/index.ts';
import { readOverlayGauges } from '../../../../src/vdisk/index.ts';
import { slow } from '../../../support/content.ts';
import { type OpenedOverlay, openFresh, reopen } from '../../../support/overlays.ts';
import { SEED } from '../../../support/seed.ts';

const SECTOR = 512;
const GIB = 1024 ** 3;

type Step =
  | { readonly kind: 'write'; readonly fill: number; readonly fua: boolean }
  | { readonly kind: 'zero'; readonly noHole: boolean }
  | { readonly kind: 'trim' | 'read' | 'flush' | 'restart' };

interface Placed {
  readonly overlay: number;
  readonly at: number;
  readonly sectors: number;
  readonly step: Step;
}

const OVERLAYS = 3;

/** Places to write around: where 32-bit sums, map words and map pages turn over. */
function hotSpots(size: number): number[] {
  const spots = [0, 4 * GIB, 128 * 1024 ** 2, size, size / 2, 2 ** 41 - 65_536, 2 ** 31];
  return spots.filter((spot) => spot <= size).map((spot) => Math.floor(spot / SECTOR));
}

function placed(size: number): fc.Arbitrary<Placed> {
  const step: fc.Arbitrary<Step> = fc.oneof(
    {
      weight: 6,
      arbitrary: fc.record({
        kind: fc.constant('write' as const),
        fill: fc.integer({ min: 1, max: 255 }),
        fua: fc.boolean(),
      }),
    },
    {
      weight: 3,
      arbitrary: fc.record({ kind: fc.constant('zero' as const), noHole: fc.boolean() }),
    },
    {
      weight: 5,
      arbitrary: fc.record({ kind: fc.constantFrom('trim', 'trim', 'read', 'flush', 'restart') }),
    },
  );
  return fc
    .record({
      overlay: fc.nat(OVERLAYS - 1),
      spot: fc.constantFrom(...hotSpots(size)),
      shift: fc.integer({ min: -300, max: 300 }),
      sectors: fc.oneof(fc.integer({ min: 1, max: 20 }), fc.integer({ min: 1, max: 600 })),
      step,
    })
    .map(({ overlay, spot, shift, sectors, step: what }) => {
      const last = Math.ceil(size / SECTOR) - 1;
      const at = Math.max(0, Math.min(last, spot + shift));
      return { overlay, at, sectors: Math.min(sectors, last + 1 - at), step: what };
    });
}

/** What one overlay should read as: sectors changed since the base. */
class Model {
  readonly #sectors = new Map<number, number>();
  readonly #base: (sector: number) => number;

  constructor(base: (sector: number) => number) {
    this.#base = base;
  }

  fill(at: number, count: number, value: number): void {
    for (let sector = at; sector < at + count; sector++) this.#sectors.set(sector, value);
  }

  value(sector: number): number {
    return this.#sectors.get(sector) ?? this.#base(sector);
  }
}

function span(size: number, { at, sectors }: Placed): { offset: number; length: number } {
  const offset = at * SECTOR;
  return { offset, length: Math.min(size, (at + sectors) * SECTOR) - offset };
}

async function checkRange(device: BlockDevice, model: Model, where: Placed): Promise<void> {
  const { offset, length } = span(device.geometry.size, where);
  const target = Buffer.alloc(length, 0xee);
  await device.read(target, offset);
  for (let i = 0; i < length; i += SECTOR) {
    const sector = target.subarray(i, i + SECTOR);
    const wanted = model.value((offset + i) / SECTOR);
    if (sector.every((byte) => byte === wanted)) continue;
    throw new Error(`sector ${(offset + i) / SECTOR}: ${sector[0]} instead of ${wanted}`);
  }
}

/** A trimmed sector reads as anything: the model takes over what the device chose. */
async function adopt(device: BlockDevice, model: Model, where: Placed): Promise<void> {
  const { offset, length } = span(device.geometry.size, where);
  const target = Buffer.alloc(length);
  await device.read(target, offset);
  for (let i = 0; i < length; i += SECTOR) {
    const sector = target.subarray(i, i + SECTOR);
    const value = sector[0] ?? 0;
    if (!sector.every((byte) => byte === value)) throw new Error('a sector torn by trim');
    model.fill((offset + i) / SECTOR, 1, value);
  }
}

async function run(device: BlockDevice, model: Model, where: Placed): Promise<void> {
  const { offset, length } = span(device.geometry.size, where);
  const { step } = where;
  switch (step.kind) {
    case 'write':
      await device.write(Buffer.alloc(length, step.fill), offset, { fua: step.fua });
      return model.fill(where.at, where.sectors, step.fill);
    case 'zero':
      await device.zero(offset, length, { ...PLAIN_ZERO, noHole: step.noHole });
      return model.fill(where.at, where.sectors, 0);
    case 'trim':
      await device.trim(offset, length, PLAIN);
      return adopt(device, model, where);
    case 'read':
      return checkRange(device, model, where);
    case 'flush':
      return void (await device.flush());
    case 'restart':
      return;
  }
}

const SIZES = [
  ['of a few blocks', 10 * 4096 + 512],
  ['of 3 MiB and a sector', 3 * 1024 ** 2 + SECTOR],
  ['of 6 GiB', 6 * GIB],
  ['of 2 TiB', 2048 * GIB],
] as const;

describe('overlays of one base read like the model', () => {
  const open: BlockDevice[] = [];
  afterEach(async () => {
    for (const device of open.splice(0)) await device.close();
  });

  for (const [name, size] of SIZES) {
    test(`on a disk ${name}`, { timeout: 60_000 }, async () => {
      const base = new MemoryDevice({ size });
      const pattern = (sector: number): number =>
        Math.floor(sector / 8) % 5 === 4 ? 0 : 1 + (sector % 250);
      const spots = new Set<number>();
      for (const spot of hotSpots(size)) {
        for (let sector = spot - 1000; sector < spot + 1000; sector++) {
          if (sector < 0 || sector * SECTOR >= size || pattern(sector) === 0) continue;
          const length = Math.min(SECTOR, size - sector * SECTOR);
          base.write(Buffer.alloc(length, pattern(sector)), sector * SECTOR, PLAIN);
          spots.add(sector);
        }
      }
      const baseValue = (sector: number): number => (spots.has(sector) ? pattern(sector) : 0);
      await fc.assert(
        fc.asyncProperty(
          fc.array(placed(size), { minLength: 1, maxLength: 40 }),
          fc.boolean(),
          async (steps, waits) => {
            const overlays: OpenedOverlay[] = [];
            const models: Model[] = [];
            for (let i = 0; i < OVERLAYS; i++) {
              overlays.push(await openFresh({ base: waits ? slow(base) : base }));
              models.push(new Model(baseValue));
            }
            for (const where of steps) {
              const model = models[where.overlay]!;
              if (where.step.kind === 'restart') {
                // As after kill -9: nothing is closed, the map is read again.
                const { data, map } = overlays[where.overlay]!;
                overlays[where.overlay] = await reopen({ base, data, map }, 'boot-1');
              }
              await run(overlays[where.overlay]!.device, model, where);
            }
            for (const [i, { device, state }] of overlays.entries()) {
              open.push(device);
              for (const where of steps) await checkRange(device, models[i]!, where);
              const { ownedBytes } = readOverlayGauges(state);
              expect(ownedBytes).toBeLessThanOrEqual(steps.length * 700 * SECTOR);
            }
          },
        ),
        { seed: SEED, numRuns: size > 100 * GIB ? 3 : 30 },
      );
    });
  }

  test('nothing is copied up by writes of whole blocks', async () => {
    const size = 8 * GIB;
    let reads = 0;
    const base = new ZeroDevice(size);
    const read = base.read.bind(base);
    base.read = (target, offset) => {
      reads += 1;
      return read(target, offset);
    };
    const { device, state, data } = await openFresh({ base });
    open.push(device);
    const written: [number, number][] = [];
    data.write = ((inner) => (source: Buffer, offset: number, options: typeof PLAIN) => {
      written.push([offset, source.length]);
      return inner(source, offset, options);
    })(data.write.bind(data));
    await device.write(Buffer.alloc(4096, 1), 5 * GIB, PLAIN);
    await device.write(Buffer.alloc(12 * 4096, 1), 6 * GIB + 4096, PLAIN);
    expect(reads).toBe(0);
    expect(written).toEqual([
      [5 * GIB, 4096],
      [6 * GIB + 4096, 12 * 4096],
    ]);
    expect(readOverlayGauges(state).ownedBytes).toBe(13 * 4096);
    await device.write(Buffer.alloc(512, 2), 7 * GIB + 512, PLAIN);
    expect(reads).toBe(1);
    expect(written.at(-1)).toEqual([7 * GIB, 4096]);
    await device.write(Buffer.alloc(512, 2), 7 * GIB + 1024, PLAIN);
    expect(reads).toBe(1);
    expect(written.at(-1)).toEqual([7 * GIB + 1024, 512]);
  });
});
