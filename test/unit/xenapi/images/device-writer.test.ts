import { setImmediate } from 'node:timers/promises';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { FaultyDevice, MemoryDevice } from '../../../../src/block/index.ts';
import { DeviceWriter } from '../../../../src/xenapi/images/device-writer.ts';
import { slow } from '../../../support/content.ts';
import { SEED } from '../../../support/seed.ts';
import { contentOf, dirty, expectSame, imported, K, limited, M } from './transfers.ts';

const SIZE = 2 * M;

interface Step {
  readonly offset: number;
  readonly length: number;
  readonly kind: 'data' | 'zeroes' | 'clear' | 'mixed';
}

const step: fc.Arbitrary<Step> = fc
  .record({
    offset: fc.oneof(
      fc.nat(SIZE - 1),
      fc.nat(31).map((unit) => unit * 64 * K),
    ),
    length: fc.oneof(fc.integer({ min: 1, max: 5000 }), fc.integer({ min: 1, max: 300 * K })),
    kind: fc.constantFrom('data', 'zeroes', 'clear', 'mixed'),
  })
  .map(({ offset, length, kind }) => ({ offset, length: Math.min(length, SIZE - offset), kind }));

function bytesOf({ length, kind }: Step, index: number): Buffer {
  const bytes = Buffer.alloc(length);
  if (kind === 'data') bytes.fill(`step ${index} `);
  if (kind === 'mixed') bytes.fill(`step ${index} `, 0, Math.ceil(length / 3));
  return bytes;
}

describe(`a writer of a device (seed ${SEED})`, () => {
  it.each([
    [1, {}],
    [512, { zero: false }],
    [4 * K, { extents: false }],
    [4 * K, { zero: false, extents: false }],
  ])('writes as if one after the other: units of %d, %j', async (minimumIo, capabilities) => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(step, { minLength: 1, maxLength: 12 }),
        fc.boolean(),
        async (steps, isDirty) => {
          const memory = isDirty
            ? dirty(SIZE, minimumIo)
            : new MemoryDevice({ size: SIZE, minimumIo });
          const wanted = contentOf(memory);
          const device = slow(limited(memory, capabilities, { maximumIo: 128 * K }));
          const writer = new DeviceWriter(device, false);
          for (const [index, one] of steps.entries()) {
            const bytes = bytesOf(one, index);
            bytes.copy(wanted, one.offset);
            if (one.kind === 'clear') await writer.clear(one.offset, one.length);
            else await writer.write(bytes, one.offset);
          }
          await writer.finish();
          expectSame(contentOf(memory), wanted);
        },
      ),
      { seed: SEED, numRuns: 40 },
    );
  });

  it('clears what is still on its way to a hole', async () => {
    const gate = Promise.withResolvers<void>();
    const memory = new MemoryDevice({ size: SIZE });
    const device = new FaultyDevice(memory, ({ operation }) =>
      operation === 'write' ? { delay: gate.promise } : undefined,
    );
    const writer = new DeviceWriter(device, false);
    await writer.write(Buffer.alloc(64 * K, 'x'), 0);
    await writer.clear(0, 64 * K);
    const finished = writer.finish();
    gate.resolve();
    await finished;
    expectSame(contentOf(memory), Buffer.alloc(SIZE));
  });

  it('has written what came before a body broke off, and nothing is under way any more', async () => {
    let running = 0;
    const order: string[] = [];
    const memory = new MemoryDevice({ size: SIZE });
    const device = new FaultyDevice(memory, ({ operation }) => {
      order.push(operation);
      if (operation !== 'write') return undefined;
      running += 1;
      return {
        delay: setImmediate().then(() => {
          running -= 1;
        }),
      };
    });
    const body = (async function* () {
      yield Buffer.alloc(M + 512, 'x');
      throw new Error('the client went away');
    })();
    await expect(imported('raw', body, device)).rejects.toThrow('the client went away');
    expect(running).toBe(0);
    expect(order.at(-1)).toBe('flush');
    expectSame(contentOf(memory), Buffer.concat([Buffer.alloc(M + 512, 'x')], SIZE));
  });

  it('says that a write failed, later, and has nothing under way when it gives up', async () => {
    let running = 0;
    const gate = Promise.withResolvers<void>();
    const device = new FaultyDevice(dirty(SIZE), ({ operation, index }) => {
      if (operation !== 'write') return undefined;
      running += 1;
      const delay = gate.promise.then(() => {
        running -= 1;
      });
      return index === 1 ? { errno: 'EIO', delay } : { delay };
    });
    const writer = new DeviceWriter(device, false);
    await writer.write(Buffer.alloc(M, 'x'), 0);
    await writer.write(Buffer.alloc(M, 'x'), M);
    expect(running).toBe(2);
    gate.resolve();
    await expect(writer.finish()).rejects.toMatchObject({ errno: 'EIO' });
    await writer.giveUp();
    expect(running).toBe(0);
  });
});
