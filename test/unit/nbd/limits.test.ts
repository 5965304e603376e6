/** What a server must survive: clients that do not read, do not finish, or come in crowds. */
import { afterEach, describe, expect, it } from 'vitest';
import type { BlockDevice } from '../../../src/block/index.ts';
import {
  createNbdServer,
  type NbdLimits,
  type NbdServer,
  singleExport,
  type Timers,
} from '../../../src/nbd/index.ts';
import { NBD_CMD_FLUSH, NBD_CMD_READ, NBD_CMD_WRITE } from '../../../src/nbd/wire/constants.ts';
import { encodeOption } from '../../../src/nbd/wire/index.ts';
import { FakeDevice, gate } from './fake-device.ts';
import { RawClient } from './raw-client.ts';
import { CachedReads, thrash } from './thrashing-device.ts';

const MIB = 1024 * 1024;
let server: NbdServer;
let port = 0;
const clients: RawClient[] = [];

afterEach(async () => {
  for (const client of clients.splice(0)) client.close();
  await server.close();
});

/** Time that stands still until a test lets it pass. */
class ManualTimers implements Timers {
  readonly #pending = new Map<() => void, number>();
  now(): number {
    return 0;
  }
  after(ms: number, action: () => void): () => void {
    this.#pending.set(action, ms);
    return () => void this.#pending.delete(action);
  }
  /** Runs everything that waits at most `ms`. */
  pass(ms: number): void {
    for (const [action, wait] of [...this.#pending]) {
      if (wait > ms) continue;
      this.#pending.delete(action);
      action();
    }
  }
}

async function serve(
  device: BlockDevice,
  limits: Partial<NbdLimits> = {},
  timers?: Timers,
): Promise<void> {
  server = createNbdServer({
    exports: singleExport('disk', device),
    limits,
    ...(timers === undefined ? {} : { timers }),
  });
  const address = await server.listen({ host: '127.0.0.1', port: 0 });
  if (address === undefined || !('port' in address)) throw new Error('no port');
  port = address.port;
}

async function client(go = true): Promise<RawClient> {
  const made = await RawClient.open(port);
  clients.push(made);
  if (go) await made.go();
  return made;
}

async function turns(count: number): Promise<void> {
  for (let index = 0; index < count; index += 1) {
    await new Promise((resolve) => setImmediate(resolve));
  }
}

/** Waits for what must happen; the test's own time limit is the failure. */
async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await turns(1);
}

/** Waits for a number to be reached, and then whether it stays. */
async function reaches(look: () => number, value: number): Promise<void> {
  await until(() => look() >= value);
  await turns(200);
  expect(look()).toBe(value);
}

function unsent(): number {
  return server.connections()[0]?.unsentBytes ?? 0;
}

function image(length: number): Buffer {
  const bytes = Buffer.alloc(length);
  for (let at = 0; at < length; at += 4) bytes.writeUInt32BE(at, at);
  return bytes;
}

describe('a client that does not read its replies', () => {
  it.each([
    ['small reads', 4096, 20_000],
    ['lent reads', 256 * 1024, 400],
  ])('%s: costs bounded memory, and gets everything once it reads', async (_, length, count) => {
    const device = new FakeDevice(4 * MIB);
    const content = image(4 * MIB);
    device.inner.write(content, 0, { fua: false });
    const unsentBytes = MIB;
    await serve(device, { unsentBytes });
    const slow = await client();
    slow.socket.pause();
    for (let index = 0; index < count; index += 1) {
      slow.request(NBD_CMD_READ, (index * length) % (4 * MIB), length, { cookie: index });
    }
    await until(() => unsent() > unsentBytes);
    await turns(200);
    expect(unsent()).toBeLessThanOrEqual(unsentBytes + 2 * (length + 16));
    const executed = server.connections()[0]?.counters.requests ?? 0;
    expect(executed).toBeLessThan(count);
    // Another client is not held up.
    const quick = await client();
    quick.request(NBD_CMD_READ, 0, 512);
    expect((await quick.simple()).error).toBe(0);
    // And nothing was lost or mixed up.
    slow.socket.resume();
    for (let index = 0; index < count; index += 1) {
      expect(await slow.simple()).toEqual({ error: 0, cookie: index });
      const start = (index * length) % (4 * MIB);
      const data = await slow.take(length);
      if (!data.equals(content.subarray(start, start + length))) throw new Error(`reply ${index}`);
    }
    await until(() => device.loans === 0);
  });

  it('never gets bytes that a thrashing cache put in the place of its own', async () => {
    const device = new CachedReads(16 * MIB);
    await serve(device, { unsentBytes: 2 * MIB });
    const slow = await client();
    slow.socket.pause();
    const length = 64 * 1024;
    const count = 200;
    for (let index = 0; index < count; index += 1) {
      slow.request(NBD_CMD_READ, (index * length) % (16 * MIB), length, { cookie: index });
    }
    await until(() => unsent() > 2 * MIB);
    expect(device.pinned).toBeGreaterThan(0);
    thrash(device); // every slot that is not lent is refilled with other content
    slow.socket.resume();
    for (let index = 0; index < count; index += 1) {
      await slow.simple();
      const data = await slow.take(length);
      const wrong = device.firstDifference(data, (index * length) % (16 * MIB));
      expect(wrong).toBe(-1);
      thrash(device);
    }
    await until(() => device.pinned === 0);
  });

  it('gives everything back when it goes away', async () => {
    const device = new FakeDevice(4 * MIB);
    device.inner.write(image(4 * MIB), 0, { fua: false });
    await serve(device, { unsentBytes: MIB });
    const slow = await client();
    slow.socket.pause();
    for (let index = 0; index < 50; index += 1) slow.request(NBD_CMD_READ, 0, MIB);
    await until(() => unsent() > MIB);
    expect(device.loans).toBeGreaterThan(0);
    slow.close();
    await until(() => server.connections().length === 0);
    expect(device.loans).toBe(0);
  });

  it('is waited for when its export is to end, unless that is to be at once', async () => {
    const device = new FakeDevice(4 * MIB);
    await serve(device, { unsentBytes: MIB });
    const slow = await client();
    slow.socket.pause();
    for (let index = 0; index < 50; index += 1) slow.request(NBD_CMD_READ, 0, MIB);
    await until(() => unsent() > MIB);
    const asked = server.endExport('disk');
    await turns(200);
    expect(server.connections()).toHaveLength(1);
    await server.endExport('disk', true);
    await asked;
    expect(server.connections()).toEqual([]);
  });
});

describe('requests in flight', () => {
  it('are limited per connection, and go on when one has finished', async () => {
    const device = new FakeDevice(MIB);
    await serve(device, { requestsInFlight: 4 });
    const busy = await client();
    const gates: ReturnType<typeof gate>[] = [];
    device.before = () => {
      const held = gate();
      gates.push(held);
      return held.promise;
    };
    for (let index = 0; index < 10; index += 1) {
      busy.request(NBD_CMD_WRITE, 0, 512, { payload: Buffer.alloc(512), cookie: index });
    }
    await reaches(() => device.calls.length, 4);
    for (let index = 0; index < 10; index += 1) {
      gates[index]?.open();
      expect(await busy.simple()).toEqual({ error: 0, cookie: index });
    }
    expect(device.calls).toHaveLength(10);
  });

  it('share a total, above which each still gets its small part', async () => {
    const device = new FakeDevice(8 * MIB);
    device.lends = false;
    await serve(device, { totalBytesInFlight: 2 * MIB, guaranteedBytes: 65_536 });
    const held = gate();
    device.before = (call) => (call.startsWith('read') ? held.promise : undefined);
    const greedy = await client();
    for (let index = 0; index < 4; index += 1) greedy.request(NBD_CMD_READ, 0, MIB);
    await reaches(() => device.calls.length, 2);
    const modest = await client();
    modest.request(NBD_CMD_READ, 0, 4096);
    modest.request(NBD_CMD_READ, 0, MIB);
    await reaches(() => device.calls.length, 3);
    held.open();
    for (let index = 0; index < 4; index += 1) {
      await greedy.simple();
      await greedy.take(MIB);
    }
    await modest.simple();
    await modest.take(4096);
    await modest.simple();
    await modest.take(MIB);
  });
});

describe('time and numbers', () => {
  it('a handshake that takes too long is closed, a transmission is not', async () => {
    const timers = new ManualTimers();
    await serve(new FakeDevice(MIB), { handshakeMs: 1000 }, timers);
    const entered = await client();
    const idle = await client(false);
    await until(() => server.connections().length === 2);
    timers.pass(1000);
    expect(await idle.rest()).toHaveLength(0);
    entered.request(NBD_CMD_FLUSH, 0, 0);
    expect((await entered.simple()).error).toBe(0);
  });

  it('a large payload that stops arriving closes the connection', async () => {
    const timers = new ManualTimers();
    await serve(new FakeDevice(MIB), { payloadStallMs: 5000 }, timers);
    const stuck = await client();
    stuck.request(NBD_CMD_WRITE, 0, MIB, { payload: Buffer.alloc(1000) });
    await turns(200);
    timers.pass(5000); // some arrived since it began
    expect(server.connections()).toHaveLength(1);
    timers.pass(5000);
    expect(await stuck.rest()).toHaveLength(0);
  });

  it('one connection too many is closed before the greeting', async () => {
    await serve(new FakeDevice(MIB), { connections: 2 });
    await client();
    await client();
    const third = await RawClient.open(port, false);
    clients.push(third);
    expect(await third.rest()).toHaveLength(0);
  });

  it('garbage at every state ends one connection and no other', async () => {
    await serve(new FakeDevice(MIB));
    const good = await client();
    const garbage = Buffer.alloc(4096, 0xa5);
    for (const prepare of [
      () => RawClient.open(port, false),
      () => client(false),
      () => client(true),
      async () => {
        const half = await client(false);
        half.send(encodeOption({ name: 'list' }).subarray(0, 9));
        return half;
      },
    ]) {
      const bad = await prepare();
      clients.push(bad);
      bad.send(garbage);
      await bad.rest();
      good.request(NBD_CMD_FLUSH, 0, 0);
      expect((await good.simple()).error).toBe(0);
    }
  });
});

describe('the end', () => {
  it('answers every accepted request, none that comes after, and closes', async () => {
    const device = new FakeDevice(MIB);
    await serve(device);
    const held = gate();
    const busy = await client();
    const idle = await client();
    const haggling = await client(false);
    device.before = () => held.promise;
    busy.request(NBD_CMD_WRITE, 0, 512, { payload: Buffer.alloc(512, 7), cookie: 1 });
    await until(() => device.calls.length === 1);
    const drained = server.drain(10_000);
    expect(await idle.rest()).toHaveLength(0);
    expect(await haggling.option({ name: 'list' })).toMatchObject([{ error: 'shutdown' }]);
    expect(await haggling.option({ name: 'abort' })).toEqual([{ name: 'ack' }]);
    // Whoever connects again by itself sends it again: an error would be one of its disk.
    busy.request(NBD_CMD_READ, 0, 512, { cookie: 2 });
    await haggling.rest();
    held.open();
    expect(await busy.simple()).toEqual({ error: 0, cookie: 1 });
    expect(await busy.rest()).toHaveLength(0);
    expect(device.calls).toHaveLength(1);
    for (const one of clients) one.close();
    expect(await drained).toBe(0);
    await expect(server.listen({ port: 0 })).rejects.toMatchObject({ code: 'UNAVAILABLE' });
  });

  it('drops who does not finish in time, and says how many', async () => {
    const timers = new ManualTimers();
    const device = new FakeDevice(MIB);
    await serve(device, {}, timers);
    const held = gate();
    const busy = await client();
    device.before = () => held.promise;
    busy.request(NBD_CMD_FLUSH, 0, 0);
    await until(() => device.calls.length === 1);
    const drained = server.drain(3000);
    timers.pass(3000);
    expect(await drained).toBe(1); // although the device still works on the request
    expect(await busy.rest()).toHaveLength(0);
    held.open();
  });

  it('ends the connections of one export, and lists the rest', async () => {
    await serve(new FakeDevice(MIB));
    const first = await client();
    const haggling = await client(false);
    expect(
      server
        .connections()
        .map(({ exportName }) => exportName)
        .sort(),
    ).toEqual(['disk', undefined]);
    const ended = server.endExport('disk');
    expect(await first.rest()).toHaveLength(0);
    first.close();
    await ended;
    expect(server.connections()).toMatchObject([{ exportName: undefined, tls: false }]);
    await haggling.go();
  });

  it('closes an export only when nothing runs on it any more', async () => {
    const device = new FakeDevice(MIB);
    const events: string[] = [];
    server = createNbdServer({
      exports: {
        list: () => [],
        open: () => ({
          name: 'disk',
          description: '',
          device,
          readOnly: false,
          close: async () => void events.push('closed'),
        }),
      },
      onConnection: ({ exportName }) => events.push(`entered ${exportName}`),
      onDisconnection: ({ exportName }) => events.push(`left ${exportName}`),
    });
    const address = await server.listen({ host: '127.0.0.1', port: 0 });
    if (address !== undefined && 'port' in address) port = address.port;
    const busy = await client();
    const held = gate();
    device.before = () => held.promise;
    busy.request(NBD_CMD_FLUSH, 0, 0);
    await until(() => device.calls.length === 1);
    busy.close();
    await turns(100);
    expect(events).toEqual(['entered disk']);
    held.open();
    await until(() => events.length === 3);
    expect(events).toEqual(['entered disk', 'closed', 'left disk']);
  });
});
