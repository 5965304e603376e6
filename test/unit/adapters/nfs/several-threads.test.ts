/** Ports of several threads have one file open, and the server forgets what is not stable. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { NfsVolumeData } from '../../../../src/adapters/nfs/volume-data.ts';
import { type BlockDevice, FUA, PLAIN, PLAIN_ZERO } from '../../../../src/block/index.ts';
import { seededRandom } from '../../../support/seed.ts';
import { codeOf, filled, NfsBench } from './bench.ts';

const SIZE = 300_000;
async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((done) => setTimeout(done, 1));
}

const LOCATOR = { adapter: 'nfs', volume: 'v', address: { path: 'v.volume' } };

describe('an NFS volume that several threads have open', () => {
  let bench: NfsBench;
  let ports: NfsVolumeData[];

  beforeEach(async () => {
    bench = await new NfsBench().start();
    bench.server.add('v.volume', Buffer.alloc(SIZE));
    ports = [bench.data(), bench.data()];
  });
  afterEach(() => bench.stop());

  function open(port: number, write = true): Promise<BlockDevice> {
    const data = ports[port];
    if (data === undefined) throw new Error('no such port');
    return data.open(LOCATOR, { write });
  }

  function stable(): Buffer {
    const file = bench.server.files.get('v.volume');
    if (file === undefined) throw new Error('no file');
    return file.stable;
  }

  async function read(device: BlockDevice, offset: number, length: number): Promise<Buffer> {
    const bytes = Buffer.alloc(length);
    await device.read(bytes, offset);
    return bytes;
  }

  it('is written UNSTABLE by a thread that has it alone', async () => {
    const one = await open(0);
    await one.write(filled(1000), 0, PLAIN);
    expect(stable().subarray(0, 1000).equals(Buffer.alloc(1000))).toBe(true);
  });

  it('is covered by the flush of one thread, whoever wrote, though the server forgets before it', async () => {
    const one = await open(0);
    await one.write(filled(1000), 0, PLAIN);
    const two = await open(1);
    await one.write(filled(1000, 3), 5000, PLAIN);
    await one.zero(7000, 100, { ...PLAIN_ZERO, noHole: true });
    bench.server.forget();
    await two.flush();
    expect(two.capabilities.multiConn).toBe(true);
    expect(stable().subarray(0, 1000).equals(filled(1000))).toBe(true);
    expect(stable().subarray(5000, 6000).equals(filled(1000, 3))).toBe(true);
  });

  it('shows what one thread wrote to all, though the server forgets in between', async () => {
    const one = await open(0);
    await one.write(filled(1000), 0, PLAIN);
    const reader = await open(1, false);
    bench.server.forget();
    expect((await read(reader, 0, 1000)).equals(filled(1000))).toBe(true);
    await one.write(filled(1000, 9), 0, PLAIN);
    bench.server.forget();
    expect((await read(reader, 0, 1000)).equals(filled(1000, 9))).toBe(true);
  });

  it('never has an older write of one thread come back over a newer one of another', async () => {
    const one = await open(0);
    await one.write(filled(1000, 1), 0, PLAIN);
    const two = await open(1);
    await two.write(filled(1000, 2), 0, PLAIN);
    bench.server.restart();
    await one.flush();
    await two.flush();
    expect((await read(one, 0, 1000)).equals(filled(1000, 2))).toBe(true);
    expect(stable().subarray(0, 1000).equals(filled(1000, 2))).toBe(true);
  });

  it('is opened by another thread only when a write that is under way is stable, too', async () => {
    const one = await open(0);
    let opened = false;
    let held = false;
    bench.server.misdeed = ({ procedure }) => {
      if (procedure !== 'write' || held) return undefined;
      held = true;
      return { kind: 'ignore' };
    };
    const writing = one.write(filled(1000), 0, PLAIN);
    await until(() => held);
    const opening = open(1).then((device) => {
      opened = true;
      return device;
    });
    await until(() => bench.server.count('lookup') > 1);
    expect(opened).toBe(false);
    bench.server.disconnect();
    await writing;
    const two = await opening;
    bench.server.forget();
    expect((await read(two, 0, 1000)).equals(filled(1000))).toBe(true);
  });

  it('is opened while another thread writes without a pause', async () => {
    const one = await open(0);
    let stop = false;
    const lane = async (index: number): Promise<void> => {
      for (let step = 0; !stop; step += 1) {
        await one.write(filled(100, step), index * 1000, PLAIN);
      }
    };
    const lanes = [0, 1, 2, 3].map(lane);
    await until(() => bench.server.count('write') > 20);
    await open(1);
    stop = true;
    await Promise.all(lanes);
  });

  it('is written UNSTABLE again when the others have closed it', async () => {
    const one = await open(0);
    const two = await open(1);
    await two.write(filled(1000), 0, PLAIN);
    await two.close();
    await one.write(filled(1000), 5000, PLAIN);
    expect(stable().subarray(0, 1000).equals(filled(1000))).toBe(true);
    expect(stable().subarray(5000, 6000).equals(Buffer.alloc(1000))).toBe(true);
    // And the next one who opens it is waited for as the first was.
    const again = await open(1, false);
    bench.server.forget();
    expect((await read(again, 5000, 1000)).equals(filled(1000))).toBe(true);
  });

  it('is not opened while what another thread wrote cannot be made stable, and is when it can', async () => {
    ports = [bench.data({ patience: 15 }), bench.data({ patience: 15 })];
    const one = await open(0);
    await one.write(filled(1000), 0, PLAIN);
    bench.server.misdeed = ({ procedure }) =>
      procedure === 'commit' ? { kind: 'status', status: 10_008 } : undefined;
    expect(await codeOf(() => open(1))).toBe('ETIMEDOUT');
    bench.server.misdeed = () => undefined;
    const two = await open(1);
    bench.server.forget();
    expect((await read(two, 0, 1000)).equals(filled(1000))).toBe(true);
  });

  it('is not waited for when the port that had it open was ended', async () => {
    const one = await open(0);
    await one.write(filled(1000), 0, PLAIN);
    await ports[0]?.close();
    const two = await open(1);
    await two.write(filled(1000), 2000, PLAIN); // alone: UNSTABLE
    expect(stable().subarray(2000, 3000).equals(Buffer.alloc(1000))).toBe(true);
  });

  it('keeps to a model while threads open, write, flush and close, and the server restarts', async () => {
    const random = seededRandom();
    const pick = (most: number): number => Math.floor(random() * most);
    const model = Buffer.alloc(SIZE);
    const open: (BlockDevice | undefined)[] = [undefined, undefined];
    const device = async (port: number): Promise<BlockDevice> => {
      const found = open[port] ?? (await ports[port]?.open(LOCATOR, { write: true }));
      if (found === undefined) throw new Error('no such port');
      open[port] = found;
      return found;
    };
    for (let step = 0; step < 300; step += 1) {
      const port = pick(2);
      const chance = random();
      if (chance < 0.1) bench.server.restart();
      else if (chance < 0.15) {
        await open[port]?.close();
        open[port] = undefined;
      } else if (chance < 0.2) {
        const one = await device(port);
        await one.flush();
        expect(stable().equals(model), `step ${step}`).toBe(true);
      } else if (chance < 0.4) {
        const offset = pick(SIZE - 5000);
        const back = await read(await device(port), offset, 5000);
        expect(back.equals(model.subarray(offset, offset + 5000)), `step ${step}`).toBe(true);
      } else {
        const offset = pick(SIZE - 5000);
        const bytes = Buffer.alloc(1 + pick(5000), 1 + pick(255));
        bytes.copy(model, offset);
        await (await device(port)).write(bytes, offset, random() < 0.1 ? FUA : PLAIN);
      }
    }
    for (const one of open) await one?.close();
    expect(stable().equals(model)).toBe(true);
  });
});
