import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { negotiate } from '../../../../src/pxe/tftp/negotiate.ts';
import { Transfer } from '../../../../src/pxe/tftp/transfer.ts';
import { SEED, seededRandom } from '../../../support/seed.ts';

function ack(block: number) {
  return { kind: 'ack', block: block & 0xffff } as const;
}

function blocks(packets: readonly Buffer[]): (number | 'oack' | 'error')[] {
  return packets.map((packet) => {
    const opcode = packet.readUInt16BE(0);
    return opcode === 3 ? packet.readUInt16BE(2) : opcode === 6 ? 'oack' : 'error';
  });
}

function started(bytes: number, options: Record<string, string> = {}) {
  const content = Buffer.alloc(bytes, 'x');
  const transfer = new Transfer(content, negotiate(new Map(Object.entries(options)), bytes), 0);
  return { transfer, first: blocks(transfer.start()) };
}

describe('what is granted', () => {
  it.each<[Record<string, string>, Record<string, string>]>([
    [{}, {}],
    [
      { blksize: '1468', tsize: '0', windowsize: '4' },
      { blksize: '1468', tsize: '1000', windowsize: '4' },
    ],
    [{ blksize: '8' }, { blksize: '8' }],
    [{ blksize: '7' }, {}],
    [{ blksize: '65464' }, { blksize: '65464' }],
    [{ blksize: '70000' }, { blksize: '65464' }],
    [{ blksize: '-8' }, {}],
    [{ blksize: '1e3' }, {}],
    [{ timeout: '1' }, { timeout: '1' }],
    [{ timeout: '0' }, {}],
    [{ timeout: '256' }, {}],
    [{ windowsize: '65535' }, { windowsize: '64' }],
    [{ windowsize: '0' }, {}],
    [
      { windowsize: '64', blksize: '65464' },
      { blksize: '65464', windowsize: '8' },
    ],
    [{ multicast: '', unknown: '1' }, {}],
  ])('%j gets %j', (asked, granted) => {
    expect(Object.fromEntries(negotiate(new Map(Object.entries(asked)), 1000).granted)).toEqual(
      granted,
    );
  });
});

describe('a transfer', () => {
  it('without options begins with block 1 and ends with a short block', () => {
    const { transfer, first } = started(1000);
    expect(first).toEqual([1]);
    expect(blocks(transfer.receive(ack(1), 1))).toEqual([2]);
    expect(transfer.receive(ack(2), 2)).toEqual([]);
    expect(transfer.outcome).toEqual({ kind: 'complete' });
  });

  it.each([0, 512, 1024])('of %i bytes ends with an empty block', (bytes) => {
    const { transfer } = started(bytes);
    let sent = transfer.start();
    for (let block = 1; block <= bytes / 512; block++) sent = transfer.receive(ack(block), block);
    expect(sent[0]?.length).toBe(4);
    transfer.receive(ack(bytes / 512 + 1), 99);
    expect(transfer.outcome).toEqual({ kind: 'complete' });
  });

  it('with options begins with an OACK, and block 1 follows ACK 0', () => {
    const { transfer, first } = started(1000, { blksize: '100', windowsize: '3' });
    expect(first).toEqual(['oack']);
    expect(transfer.receive(ack(1), 1)).toEqual([]);
    expect(blocks(transfer.receive(ack(0), 1))).toEqual([1, 2, 3]);
    expect(blocks(transfer.receive(ack(3), 2))).toEqual([4, 5, 6]);
  });

  it('goes on after the block that a window’s acknowledgement names', () => {
    const { transfer } = started(1000, { blksize: '100', windowsize: '4' });
    transfer.receive(ack(0), 0);
    expect(blocks(transfer.receive(ack(2), 1))).toEqual([3, 4, 5, 6]);
  });

  it('answers no acknowledgement twice (sorcerer’s apprentice)', () => {
    const { transfer } = started(5000);
    expect(blocks(transfer.receive(ack(1), 1))).toEqual([2]);
    expect(transfer.receive(ack(1), 2)).toEqual([]);
    expect(transfer.receive(ack(0), 2)).toEqual([]);
    expect(transfer.receive(ack(7), 2)).toEqual([]);
    expect(blocks(transfer.receive(ack(2), 3))).toEqual([3]);
  });

  it('repeats the window with growing patience, then gives up', () => {
    const { transfer } = started(5000);
    const waits: number[] = [];
    let now = 0;
    while (transfer.outcome === undefined) {
      waits.push(transfer.deadline - now);
      expect(transfer.timeout(transfer.deadline - 1)).toEqual([]);
      now = transfer.deadline;
      expect(blocks(transfer.timeout(now))).toEqual(waits.length <= 6 ? [1] : ['error']);
    }
    expect(waits).toEqual([1000, 2000, 4000, 8000, 8000, 8000, 8000]);
    expect(transfer.outcome).toEqual({ kind: 'failed', reason: 'the client stopped answering' });
  });

  it('keeps to the timeout that the client asked for, and forgives after progress', () => {
    const { transfer } = started(5000, { timeout: '3' });
    expect(blocks(transfer.timeout(3000))).toEqual(['oack']);
    expect(transfer.deadline).toBe(6000);
    transfer.receive(ack(0), 6500);
    expect(transfer.deadline).toBe(9500);
  });

  it('ends quietly when the client only wanted the size, as UEFI does', () => {
    const { transfer } = started(5000, { tsize: '0' });
    expect(transfer.receive({ kind: 'error', code: 8, message: 'User aborted' }, 1)).toEqual([]);
    expect(transfer.outcome).toEqual({ kind: 'probed' });
    expect(transfer.receive(ack(0), 2)).toEqual([]);
    expect(transfer.timeout(99_999)).toEqual([]);
  });

  it('ends when the client says so', () => {
    const { transfer } = started(5000, { tsize: '0' });
    transfer.receive(ack(0), 1);
    transfer.receive({ kind: 'error', code: 3, message: 'disk full' }, 2);
    expect(transfer.outcome).toEqual({ kind: 'aborted', reason: 'client: 3 disk full' });
  });

  it('ends at a packet that has no place in it', () => {
    const { transfer } = started(5000);
    expect(blocks(transfer.receive({ kind: 'data', block: 1 }, 1))).toEqual(['error']);
    expect(transfer.outcome?.kind).toBe('failed');
  });

  it.each([['1'], ['7'], ['64']])('goes on past block 65535 with a window of %s', (windowsize) => {
    const size = 8 * 140_000 + 3;
    const content = Buffer.alloc(size);
    for (let at = 0; at + 4 <= size; at += 8) content.writeUInt32BE(at, at);
    const options = negotiate(
      new Map([
        ['blksize', '8'],
        ['windowsize', windowsize],
      ]),
      size,
    );
    const transfer = new Transfer(content, options, 0);
    const received: Buffer[] = [];
    transfer.start();
    let sent = transfer.receive(ack(0), 0);
    while (sent.length > 0) {
      received.push(...sent.map((packet) => packet.subarray(4)));
      sent = transfer.receive(ack(received.length), 0);
    }
    expect(transfer.outcome).toEqual({ kind: 'complete' });
    expect(Buffer.concat(received).equals(content)).toBe(true);
  });

  it('arrives whole over a network that loses, repeats and reorders', () => {
    const settings = fc.record({
      bytes: fc.nat(3000),
      blksize: fc.integer({ min: 8, max: 700 }),
      windowsize: fc.integer({ min: 1, max: 9 }),
      seed: fc.nat(),
    });
    fc.assert(
      fc.property(settings, ({ bytes, blksize, windowsize, seed }) => {
        const content = Buffer.alloc(bytes, 'abcdefghijklmnopq');
        const sent = simulate(content, { blksize, windowsize }, seededRandom(seed));
        // Every block goes out some few times; doubling at each duplicate would pass any bound.
        const needed = Math.floor(bytes / blksize) + 2;
        expect(sent).toBeLessThan(needed * windowsize * 40);
      }),
      { seed: SEED, numRuns: 300 },
    );
  });
});

/** Runs one transfer to a client written from the RFCs; gives how many packets the server sent. */
function simulate(
  content: Buffer,
  { blksize, windowsize }: { blksize: number; windowsize: number },
  random: () => number,
): number {
  const asked = new Map([
    ['blksize', String(blksize)],
    ['windowsize', String(windowsize)],
  ]);
  const transfer = new Transfer(content, negotiate(asked, content.length), 0);
  const received: Buffer[] = [];
  let [now, sent, started, done] = [0, 0, false, false];
  let sinceAck = 0;
  /** In flight, in arrival order. */
  let network: { to: 'client' | 'server'; packet: Buffer | number }[] = [];
  const put = (to: 'client' | 'server', packet: Buffer | number) => {
    if (random() < 0.1) return;
    network.push({ to, packet });
    if (random() < 0.1) network.push({ to, packet });
    if (random() < 0.1) network = network.toReversed();
  };
  const toClient = (packets: readonly Buffer[]) => {
    for (const packet of packets) put('client', packet);
    sent += packets.length;
  };
  const acknowledge = () => {
    sinceAck = 0;
    put('server', received.length);
  };
  toClient(transfer.start());
  for (let step = 0; step < 200_000 && !done; step++) {
    const next = network.shift();
    if (next === undefined) {
      if (transfer.outcome !== undefined) break;
      now = transfer.deadline;
      // The client's own timer repeats its last acknowledgement too.
      if (started) acknowledge();
      toClient(transfer.timeout(now));
    } else if (typeof next.packet === 'number') {
      toClient(transfer.receive(ack(next.packet), now));
    } else if (next.packet.readUInt16BE(0) === 6) {
      started = true;
      acknowledge();
    } else if (next.packet.readUInt16BE(0) === 3) {
      const expected = (received.length + 1) & 0xffff;
      if (next.packet.readUInt16BE(2) !== expected) {
        acknowledge();
        continue;
      }
      received.push(next.packet.subarray(4));
      sinceAck += 1;
      const last = next.packet.length - 4 < blksize;
      if (last || sinceAck === windowsize) acknowledge();
      done = last;
    } else break; // the server gave up: legal when the network lost every retry
  }
  if (done) expect(Buffer.concat(received).equals(content)).toBe(true);
  else expect(transfer.outcome?.kind).toBe('failed');
  return sent;
}
