/** Flushes that went through a journal, after the death of the process, of the host, or of both. */
import { describe, expect, test } from 'vitest';
import {
  type BlockDevice,
  type FaultPlan,
  FaultyDevice,
  MemoryDevice,
  PLAIN_ZERO,
} from '../../../../src/block/index.ts';
import { formatOverlay, replayOverlay } from '../../../../src/vdisk/index.ts';
import { eventLoopTurns } from '../../../support/content.ts';
import {
  BASE,
  BLOCK,
  bytesAt,
  fill,
  Host,
  LAST,
  type Plan,
  SIZE,
  UNIT,
} from './journalled-host.ts';

describe('what was flushed through a journal', () => {
  test('is there after the death of the host, in the order of the flushes of all workers', async () => {
    const host = await Host.make();
    const [a, b] = await host.start();
    for (let value = 10; value < 40; value++) {
      const device = value % 3 === 0 ? a : b;
      await fill(device, value, 0);
      await fill(device, value, (value % 20) * BLOCK, 512);
      await fill(device, value, LAST, 512);
      // The last ones are in the journal that is read first.
      await (value % 2 === 0 || value > 30 ? a : b).flush();
    }
    expect((await host.records()).filter(({ key }) => key === 'overlay')).toHaveLength(30);
    host.die('host');
    expect(await host.after(0, 5 * BLOCK, 5 * BLOCK + 512, 19 * BLOCK, LAST)).toEqual([
      39,
      25,
      BASE,
      39,
      39,
    ]);
  });

  test('is restored once: the second time there is nothing to do', async () => {
    const host = await Host.make();
    const [device] = await host.start();
    await fill(device, 1);
    await device.flush();
    host.die('host');
    expect(await host.restore()).toBe(1);
    expect(await host.restore()).toBe(0);
    host.die('host');
    expect(await host.restore()).toBe(0);
    expect(await host.after(0)).toEqual([1]);
  });

  test('does not undo what was acknowledged since when only the process died', async () => {
    const host = await Host.make();
    const [device] = await host.start();
    await fill(device, 1);
    await device.flush();
    await fill(device, 2);
    host.die('process');
    expect(await host.restore()).toBe(0);
    // And the volumes hold it all by now.
    host.die('host');
    expect(await host.after(0)).toEqual([2]);
  });

  test('is there although the process that restored it was killed at any moment', async () => {
    for (let turns = 0; turns < 40; turns++) {
      const host = await Host.make();
      const [device] = await host.start();
      for (let value = 10; value < 16; value++) {
        await fill(device, value, (value % 3) * BLOCK);
        await fill(device, value, LAST, 512);
        await device.flush();
      }
      host.die('host', turns % 2);
      const restoring = host.restore({ slowly: true }).catch(() => 0);
      await eventLoopTurns(turns);
      host.die(turns % 3 === 0 ? 'host' : 'process', 0.5);
      await restoring;
      expect(await host.after(0, BLOCK, 2 * BLOCK, LAST), `${turns}`).toEqual([15, 13, 14, 15]);
    }
  });

  test('never comes back over what was flushed later, in whatever way', async () => {
    const host = await Host.make();
    const [a, b] = await host.start();
    await fill(a, 1);
    await fill(a, 1, UNIT);
    await a.flush();
    await fill(b, 2);
    await b.zero(UNIT, UNIT, PLAIN_ZERO); // which no journal takes
    await b.flush();
    host.die('host');
    expect(await host.after(0, UNIT)).toEqual([2, 0]);
  });

  test('never comes back because a mark was read and lost', async () => {
    const host = await Host.make();
    let marked = false;
    const hold = new Promise<void>(() => {});
    // The process is killed when the mark is written and not synced.
    const [device] = await host.start({
      plan: (role) => (request) => {
        if (role === 'map' && request.operation === 'write' && request.length === 512) {
          marked ||= request.offset === 1024 || request.offset === 1536;
        }
        return marked && request.operation === 'flush' ? { delay: hold } : undefined;
      },
    });
    await fill(device, 1);
    await device.flush();
    void device.close().catch(() => {});
    for (let turn = 0; turn < 50; turn++) await eventLoopTurns(1);
    expect(marked).toBe(true);
    host.die('process');
    await host.restore();
    const [next] = await host.start({ journal: false });
    await fill(next, 2);
    await next.flush();
    host.die('host');
    // The journals are still there: another overlay could not be restored from them.
    expect(await host.after(0)).toEqual([2]);
  });

  test('of an earlier overlay of the same name is nothing to a new one', async () => {
    const host = await Host.make();
    const [device] = await host.start();
    await fill(device, 1);
    await device.flush();
    host.die('process');
    await formatOverlay(host.open(host.map), { size: SIZE, bootId: host.bootId });
    host.die('host', 1);
    expect(await host.restore()).toBe(0);
    expect(await host.after(0)).toEqual([BASE]);
  });

  test('fits a data volume that is larger than the disk', async () => {
    const host = await Host.make(SIZE + 3 * BLOCK);
    const [device] = await host.start();
    await fill(device, 1, LAST, 512);
    await device.flush();
    host.die('host');
    expect(await host.after(LAST)).toEqual([1]);
  });
});

describe('a flush that a journal cannot take', () => {
  test('because its blocks cannot be read syncs the volumes instead', async () => {
    const host = await Host.make();
    let failing = false;
    const plan: Plan = (role) => (request) =>
      failing && role === 'data' && request.operation === 'read' ? { errno: 'EIO' } : undefined;
    const [device] = await host.start({ plan });
    await fill(device, 1);
    failing = true;
    // Were this one to fail, the next must not find that nothing was written.
    await Promise.resolve(device.flush()).catch(() => {});
    failing = false;
    await device.flush();
    host.die('host');
    expect(await host.after(0)).toEqual([1]);
  });

  test.each(['at once', 'later'])(
    'makes durable what a write that failed %s has left',
    async (when) => {
      const host = await Host.make();
      let failing = false;
      const plan: Plan = (role) => (request) =>
        failing && role === 'data' && request.operation === 'write'
          ? { errno: 'EIO', ...(when === 'later' ? { delay: eventLoopTurns(1) } : {}) }
          : undefined;
      const [device] = await host.start({ plan });
      await fill(device, 1);
      await device.flush();
      failing = true;
      await expect(fill(device, 2)).rejects.toMatchObject({ errno: 'EIO' });
      host.data.write(Buffer.alloc(512, 2), 0); // a part of it was written
      failing = false;
      const seen = await bytesAt(device, 0, 512);
      expect(seen).toEqual([2, 1]);
      await device.flush();
      host.die('host');
      expect(await host.after(0, 512)).toEqual(seen);
    },
  );

  test('makes durable what a zero that failed has left behind', async () => {
    const host = await Host.make();
    let changes = Number.NEGATIVE_INFINITY;
    const plan: Plan = (role) => (request) => {
      if (role !== 'map' || request.operation !== 'write' || request.length >= BLOCK) return;
      changes += 1;
      return changes > 2 ? { errno: 'EIO' } : undefined;
    };
    const [device] = await host.start({ plan });
    await fill(device, 1, BLOCK);
    await device.flush();
    // The map has a summary and that the unit is zeroed, and not that the block in it is given up.
    changes = 0;
    const zeroed = Promise.resolve(device.zero(0, UNIT, PLAIN_ZERO));
    await expect(zeroed).rejects.toMatchObject({ errno: 'EIO' });
    changes = Number.NEGATIVE_INFINITY;
    const seen = await bytesAt(device, 0, BLOCK);
    expect(seen).toEqual([0, 1]);
    await device.flush();
    host.die('host');
    expect(await host.after(0, BLOCK)).toEqual(seen);
  });

  test('makes durable what the one before it could not', async () => {
    const host = await Host.make();
    let failing = false;
    const plan: Plan = (role) => (request) =>
      failing && role === 'map' && request.operation === 'write' ? { errno: 'EIO' } : undefined;
    const [a, b] = await host.start({ plan });
    await fill(a, 1);
    await a.flush();
    await a.zero(0, UNIT, PLAIN_ZERO);
    failing = true;
    await expect(Promise.resolve(a.flush())).rejects.toMatchObject({ errno: 'EIO' });
    failing = false;
    await b.flush();
    host.die('host');
    expect(await host.after(0)).toEqual([0]);
  });

  test('and that fails takes the disk back to what went through the journal', async () => {
    const host = await Host.make();
    let failing = false;
    const plan: Plan = (role) => (request) =>
      failing && role === 'data' && request.operation === 'flush' ? { errno: 'EIO' } : undefined;
    const [device] = await host.start({ plan });
    await fill(device, 1);
    await device.flush();
    await fill(device, 2);
    await device.zero(UNIT, UNIT, PLAIN_ZERO);
    failing = true;
    await expect(Promise.resolve(device.flush())).rejects.toMatchObject({ errno: 'EIO' });
    host.die('process');
    expect(await host.after(0, UNIT)).toEqual([1, BASE]);
  });

  test('does not give blocks back to the overlay that a zero took from it', async () => {
    const host = await Host.make();
    const gate = Promise.withResolvers<void>();
    let holding = false;
    const plan: Plan = (role) => (request) =>
      holding && role === 'data' && request.operation === 'write'
        ? { delay: gate.promise }
        : undefined;
    const [a, b] = await host.start({ plan });
    await fill(a, 1);
    await a.flush();
    holding = true;
    const held = fill(a, 2);
    holding = false;
    await b.zero(0, UNIT, PLAIN_ZERO);
    await eventLoopTurns(20);
    await b.flush();
    gate.resolve();
    await held;
    const seen = await bytesAt(a, 0, BLOCK);
    expect(seen).toEqual([0, 0]);
    await a.flush();
    host.die('host');
    expect(await host.after(0, BLOCK)).toEqual(seen);
  });

  test('since its segments are not free makes durable what it has to all the same', async () => {
    const host = await Host.make();
    const [device] = await host.start();
    // More than both segments hold, in flushes that follow at once.
    for (let value = 10; value < 60; value++) {
      await fill(device, value, 0, 2 * UNIT);
      await device.flush();
    }
    expect(host.stopped).toBe(0);
    host.die('host');
    expect(await host.after(0, 2 * UNIT - 1)).toEqual([59, 59]);
  });
});

describe('replaying', () => {
  test('closes the volumes, whatever comes of it', async () => {
    for (const broken of ['none', 'no map', 'data'] as const) {
      const host = await Host.make();
      const [device] = await host.start();
      await fill(device, 1);
      await device.flush();
      host.die('host');
      const records = await host.records();
      let closed = 0;
      const counted = (inner: BlockDevice, plan: FaultPlan = () => undefined): BlockDevice => {
        const outer = new FaultyDevice(inner, plan);
        let open = true;
        outer.close = async () => {
          if (open) closed += 1;
          open = false;
        };
        return outer;
      };
      const map = counted(
        broken === 'no map' ? new MemoryDevice({ size: 100 }) : host.open(host.map),
        broken === 'no map' ? () => ({ errno: 'EIO' }) : undefined,
      );
      const data = counted(
        broken === 'data' ? new MemoryDevice({ size: BLOCK }) : host.open(host.data),
      );
      const replayed = replayOverlay({ map, data, bootId: host.bootId, records });
      if (broken === 'none') expect(await replayed).toBe(1);
      else await expect(replayed).rejects.toThrow();
      expect(closed, broken).toBe(2);
    }
  });

  test('does not half-believe what it could not sync', async () => {
    const host = await Host.make();
    const [device] = await host.start();
    await fill(device, 1);
    await device.flush();
    host.die('host');
    const records = await host.records();
    const data = new FaultyDevice(host.open(host.data), ({ operation }) =>
      operation === 'flush' ? { errno: 'EIO' } : undefined,
    );
    const { bootId } = host;
    const replayed = replayOverlay({ map: host.open(host.map), data, bootId, records });
    await expect(replayed).rejects.toMatchObject({ errno: 'EIO' });
    // Tried again by the next start.
    host.die('host');
    expect(await host.after(0)).toEqual([1]);
  });
});
