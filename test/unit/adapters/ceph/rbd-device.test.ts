/** The device that outlives its server. The servers are ours, on one disk in memory, as qemu-nbd's are on one image. */
import { afterEach, describe, expect, it } from 'vitest';
import { RbdDevice } from '../../../../src/adapters/ceph/rbd-device.ts';
import {
  type BlockDevice,
  MemoryDevice,
  PLAIN,
  type WriteOptions,
} from '../../../../src/block/index.ts';
import { BlockError } from '../../../../src/errors/index.ts';
import { connectNbd, createNbdServer, singleExport } from '../../../../src/nbd/index.ts';

const SIZE = 1024 * 1024;

/** Holds writes back, as a cluster that does not answer, until they are let go. */
class Held {
  readonly disk = new MemoryDevice({ size: SIZE });
  readonly arrived: number[] = [];
  holding = false;
  refuse: BlockError | undefined;
  onWrite = (): void => undefined;
  readonly #waiting: (() => void)[] = [];

  device(): BlockDevice {
    const { disk } = this;
    return Object.assign(Object.create(disk) as BlockDevice, {
      geometry: disk.geometry,
      capabilities: disk.capabilities,
      read: (target: Buffer, offset: number) => disk.read(target, offset),
      flush: () => disk.flush(),
      lend: () => undefined,
      close: async () => undefined,
      write: async (source: Buffer, offset: number, options: WriteOptions) => {
        this.arrived.push(offset);
        this.onWrite();
        if (this.refuse !== undefined) throw this.refuse;
        const bytes = Buffer.from(source);
        if (this.holding) await new Promise<void>((resolve) => this.#waiting.push(resolve));
        await disk.write(bytes, offset, options);
      },
    });
  }

  letGo(): void {
    this.holding = false;
    for (const go of this.#waiting.splice(0)) go();
  }
}

const closers: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

async function serve(held: Held) {
  const server = createNbdServer({ exports: singleExport('x', held.device()) });
  const address = await server.listen({ host: '127.0.0.1', port: 0 });
  if (address === undefined || !('port' in address)) throw new Error('no port');
  closers.push(() => server.close());
  return { connect: () => connectNbd(`nbd://127.0.0.1:${address.port}/x`) };
}

async function rig(
  options: { patienceMs?: number; reconnects?: () => void; clock?: () => number } = {},
) {
  const held = new Held();
  const server = await serve(held);
  let client = await server.connect();
  let generation = 1;
  let released = 0;
  const device = new RbdDevice({
    session: { client, generation },
    write: true,
    reconnect: async () => {
      options.reconnects?.();
      client = await server.connect();
      generation += 1;
      return { client, generation };
    },
    released: async () => {
      released += 1;
    },
    patienceMs: options.patienceMs ?? 20_000,
    clock: options.clock ?? (() => performance.now()),
  });
  closers.push(() => device.close());
  return { held, device, cut: () => client.destroy(), released: () => released };
}

const until = async (condition: () => boolean): Promise<void> => {
  while (!condition()) await new Promise((resolve) => setImmediate(resolve));
};

const write = async (device: BlockDevice, at: number, fill: number): Promise<void> =>
  device.write(Buffer.alloc(512, fill), at, PLAIN);

describe('an image whose server dies', () => {
  it('gets every request again that was not answered, and fails none', async () => {
    const { held, device, cut } = await rig();
    await write(device, 0, 1);
    held.holding = true;
    const writes = [write(device, 4096, 2), write(device, 8192, 3)];
    await until(() => held.arrived.length === 3);
    held.holding = false;
    cut();
    await Promise.all(writes);
    expect([...held.arrived].sort((a, b) => a - b)).toEqual([0, 4096, 4096, 8192, 8192]);
    const target = Buffer.alloc(512);
    await device.read(target, 4096);
    expect(target.equals(Buffer.alloc(512, 2))).toBe(true);
    held.letGo();
  });

  it('gives up a request that ends every server that gets it', async () => {
    let time = 0;
    const { held, device, cut } = await rig({ patienceMs: 5000, clock: () => time });
    held.onWrite = () => {
      time += 1000;
      cut();
    };
    await expect(write(device, 0, 1)).rejects.toMatchObject({ errno: 'ETIMEDOUT' });
    held.onWrite = () => undefined;
    await write(device, 0, 2);
  });

  it('never has two writes of one place on their way, so that repeating keeps their order', async () => {
    const { held, device, cut } = await rig();
    held.holding = true;
    const writes = [write(device, 0, 1), write(device, 0, 2), write(device, 0, 3)];
    await until(() => held.arrived.length === 1);
    held.holding = false;
    cut();
    await Promise.all(writes);
    const target = Buffer.alloc(512);
    await device.read(target, 0);
    expect(target.equals(Buffer.alloc(512, 3))).toBe(true);
    held.letGo();
  });

  it('is looked for until the patience is over, and again when it is asked again', async () => {
    let reachable = false;
    const { device, cut } = await rig({
      patienceMs: 200,
      reconnects: () => {
        if (!reachable) throw new BlockError('EIO', 'open', 0, 0, 'no server');
      },
    });
    cut();
    await expect(write(device, 0, 1)).rejects.toMatchObject({ errno: 'ETIMEDOUT' });
    reachable = true;
    await write(device, 0, 1);
  });

  it('fails for good when this client was fenced, also what comes later', async () => {
    let reconnects = 0;
    const { held, device } = await rig({
      reconnects: () => {
        reconnects += 1;
      },
    });
    held.refuse = new BlockError('ESHUTDOWN', 'write', 0, 0, 'blocklisted');
    const writes = [write(device, 0, 1), write(device, 4096, 1), write(device, 8192, 1)];
    for (const each of writes) await expect(each).rejects.toMatchObject({ errno: 'EIO' });
    held.refuse = undefined;
    await expect(write(device, 0, 2)).rejects.toMatchObject({ errno: 'EIO' });
    expect(reconnects).toBe(0);
  });

  it('is not taken for another image that is smaller', async () => {
    const held = new Held();
    const server = await serve(held);
    const small = new Held();
    Object.assign(small, { disk: new MemoryDevice({ size: SIZE / 2 }) });
    const other = await serve(small);
    const client = await server.connect();
    const device = new RbdDevice({
      ...{ session: { client, generation: 1 }, write: true, patienceMs: 100 },
      reconnect: async () => ({ client: await other.connect(), generation: 2 }),
      released: async () => undefined,
      clock: () => performance.now(),
    });
    closers.push(() => device.close());
    client.destroy();
    await expect(write(device, 0, 1)).rejects.toMatchObject({ errno: 'ETIMEDOUT' });
    expect(small.arrived).toEqual([]);
  });

  it('gives its server back once, when it is closed', async () => {
    const { device, released } = await rig();
    await Promise.all([device.close(), device.close()]);
    expect(released()).toBe(1);
    expect(() => device.flush()).toThrow(BlockError);
  });
});
