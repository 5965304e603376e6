import { describe, expect, test } from 'vitest';
import { LOST_PEER_LOOK_MS } from '../../../src/nbd/limits.ts';
import { LostPeers, type Peer } from '../../../src/nbd/lost-peers.ts';
import { retransmissionsIn, socketKey } from '../../../src/nbd/retransmissions.ts';

const LIMIT_MS = 30_000;

/** Copied from Linux 6.18 on x86-64, but for the addresses. */
const TCP = `  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 00000000:07E8 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 1159 1 0000000042e76d50 100 0 0 10 0
   1: 0100630A:2A39 0200630A:8D44 01 00001000:00000000 01:00000037 00000008     0        0 81742 3 00000000c06ef2e7 20 4 31 10 -1
   2: 0100630A:2A39 0200630A:8D46 01 00000000:00000000 02:000007A1 00000000     0        0 81743 2 00000000c06ef2e8 20 4 31 10 -1
`;
const TCP6 = `  sl  local_address                         remote_address                        st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0000000000000000FFFF00000100630A:2A39 0000000000000000FFFF00000300630A:C350 01 00000040:00000000 01:00000013 0000000C     0        0 4711 1 0 20 4 31 10 -1
   1: B80D0120000000000000000001000000:2A39 B80D0120000000000000000005000000:C351 01 00000040:00000000 01:00000013 00000001     0        0 4712 1 0 20 4 31 10 -1
`;

describe("the kernel's table of sockets", () => {
  test('names those that send again, by their port and their peer', () => {
    expect([...retransmissionsIn(TCP)]).toEqual([['10809 10.99.0.2:36164', 8]]);
    expect([...retransmissionsIn(TCP6)]).toEqual([
      ['10809 10.99.0.3:50000', 12],
      ['10809 [2001:db8::5]:50001', 1],
    ]);
  });

  test('cut anywhere, or of any bytes, has no other sockets', () => {
    const whole = new Map([...retransmissionsIn(TCP), ...retransmissionsIn(TCP6)]);
    for (const table of [TCP, TCP6]) {
      for (let end = 0; end <= table.length; end++) {
        for (const key of retransmissionsIn(table.slice(0, end)).keys()) {
          expect(whole.has(key)).toBe(true);
        }
        expect(() => retransmissionsIn(`${table.slice(0, end)}\0zz:${end}`)).not.toThrow();
      }
    }
  });
});

class Client implements Peer {
  readonly key: string | undefined;
  requests = 0;
  isLost = false;

  constructor(key: string | undefined) {
    this.key = key;
  }

  ask(): void {
    this.requests += 1;
  }

  lost(): void {
    this.isLost = true;
  }
}

/** Time and the kernel's table are the test's. */
class Watched {
  readonly clients: Client[];
  readonly table = new Map<string, number>();
  looks = 0;
  fails = false;
  #now = 0;
  #due: { at: number; action: () => void } | undefined;
  readonly peers: LostPeers;

  constructor(...clients: Client[]) {
    this.clients = clients;
    const timers = {
      now: () => this.#now,
      after: (ms: number, action: () => void) => {
        this.#due = { at: this.#now + ms, action };
        return () => undefined;
      },
    };
    const look = async (): Promise<ReadonlyMap<string, number>> => {
      this.looks += 1;
      if (this.fails) throw new Error('ENOENT');
      return this.table;
    };
    this.peers = new LostPeers(() => this.clients, LIMIT_MS, timers, look);
    this.peers.watch();
  }

  get isWatching(): boolean {
    return this.#due !== undefined;
  }

  /** @param each called before each look */
  async pass(ms: number, each: () => void = () => undefined): Promise<void> {
    for (const end = this.#now + ms; this.#due !== undefined && this.#due.at <= end; ) {
      const { at, action } = this.#due;
      this.#due = undefined;
      this.#now = at;
      each();
      action();
      await new Promise(setImmediate);
    }
  }
}

describe('a client whose host is gone', () => {
  const key = socketKey(10_809, '10.99.0.2:36164');

  test('is lost when nothing is acknowledged for as long as it may be', async () => {
    const client = new Client(key);
    const watched = new Watched(client);
    watched.table.set(key, 1);
    await watched.pass(LIMIT_MS, () => watched.table.set(key, (watched.table.get(key) ?? 0) + 1));
    expect(client.isLost).toBe(false);
    await watched.pass(3 * LOST_PEER_LOOK_MS);
    expect(client.isLost).toBe(true);
  });

  test.each([
    ['asks now and then', (client: Client) => client.ask()],
    ['has all acknowledged once', (_: Client, table: Map<string, number>) => table.delete(key)],
    ['has something acknowledged', (_: Client, table: Map<string, number>) => table.set(key, 1)],
  ])('is not lost when it %s', async (_, sign) => {
    const client = new Client(key);
    const watched = new Watched(client);
    for (let turn = 0; turn < 6; turn++) {
      await watched.pass(LIMIT_MS / 2, () =>
        watched.table.set(key, (watched.table.get(key) ?? 0) + 1),
      );
      sign(client, watched.table);
      await watched.pass(LOST_PEER_LOOK_MS);
    }
    expect(watched.looks).toBeGreaterThan(10);
    expect(client.isLost).toBe(false);
  });

  test('is looked for only while somebody is silent, and there is somebody', async () => {
    const client = new Client(key);
    const watched = new Watched(client, new Client(undefined));
    await watched.pass(10 * LIMIT_MS, () => client.ask());
    expect(watched.looks).toBe(0);
    watched.clients.length = 0;
    await watched.pass(LIMIT_MS);
    expect(watched.isWatching).toBe(false);
    watched.clients.push(client);
    watched.peers.watch();
    expect(watched.isWatching).toBe(true);
  });

  test('is not noticed where the kernel has no such table', async () => {
    const client = new Client(key);
    const watched = new Watched(client);
    watched.table.set(key, 9);
    watched.fails = true;
    await watched.pass(10 * LIMIT_MS);
    watched.peers.watch();
    expect(watched).toMatchObject({ looks: 1, isWatching: false });
    expect(client.isLost).toBe(false);
  });
});
