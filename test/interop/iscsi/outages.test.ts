/**
 * A real tgtd that dies, portals that break, and a disk that is not the one it was: no acknowledged write is lost,
 * nobody sees an error within the patience, and no byte goes to another disk.
 */
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import { type BlockDevice, PLAIN } from '../../../src/block/index.ts';
import { IscsiDataPort, type IscsiDevice, type IscsiOpen } from '../../../src/iscsi/index.ts';
import { describeWith, program } from '../../support/requires.ts';
import { TcpProxy } from '../../support/tcp-proxy.ts';
import { Tgtd } from '../../support/tgtd.ts';
import { until } from '../../support/until.ts';
import { startVerifiedWrites } from '../../support/verified-writes.ts';

const IQN = 'iqn.2026-01.test.rootcast:outages';
const SIZE = 24 * 1024 * 1024;
const QUIET = { info() {}, warn() {} };

describeWith([program('tgtd', 'tgt'), program('tgtadm', 'tgt')], 'iSCSI through outages', () => {
  let tgtd: Tgtd;
  let port: IscsiDataPort;
  const proxies: TcpProxy[] = [];

  beforeAll(async () => {
    tgtd = await Tgtd.start();
    await serve('disk', SIZE);
  });
  afterAll(() => tgtd?.stop());
  afterEach(async () => {
    await port?.close();
    for (const proxy of proxies.splice(0)) await proxy.stop();
  });

  async function serve(name: string, size?: number): Promise<void> {
    await tgtd.target(1, IQN);
    await tgtd.lun(1, 1, name, { ...(size === undefined ? {} : { size }), thin: true });
    await tgtd.open(1);
  }

  async function proxy(): Promise<TcpProxy> {
    const started = await TcpProxy.start({ host: '127.0.0.1', port: tgtd.port });
    proxies.push(started);
    return started;
  }

  function open(portals: readonly string[], more: Partial<IscsiOpen> = {}): Promise<IscsiDevice> {
    port = new IscsiDataPort({ log: QUIET });
    const initiatorName = 'iqn.2026-01.test.rootcast:initiator';
    return port.open({ portals, iqn: IQN, lun: 1, initiatorName, write: true, ...more });
  }

  async function contentOf(device: BlockDevice): Promise<Buffer> {
    const content = Buffer.alloc(SIZE);
    await device.read(content, 0);
    return content;
  }

  it('loses nothing and fails nothing when tgtd is killed and restarted under writes', async () => {
    const device = await open([tgtd.portal]);
    const writes = startVerifiedWrites(device, await contentOf(device));
    for (let times = 0; times < 3; times += 1) {
      const before = writes.done;
      await until('writes go on', () => writes.done > before + 100);
      await tgtd.kill();
      await tgtd.boot();
      await serve('disk');
    }
    const before = writes.done;
    await until('writes go on', () => writes.done > before + 100);
    await writes.finish();
    await device.close();
  });

  it('goes on at once on the other portal when one is cut in the middle of writes, and returns', async () => {
    const [first, second] = [await proxy(), await proxy()];
    const device = await open([first.portal, second.portal], { commandMs: 5_000 });
    await until('both paths are up', () => device.paths.every(({ up }) => up));
    expect(device.paths.map(({ active }) => active)).toEqual([true, false]);
    const writes = startVerifiedWrites(device, await contentOf(device));
    for (let times = 0; times < 3; times += 1) {
      let before = writes.done;
      await until('writes go on', () => writes.done > before + 100);
      first.cut();
      before = writes.done;
      await until('writes go on', () => writes.done > before + 100);
      expect(device.paths.map(({ active }) => active)).toEqual([false, true]);
      first.mend();
      await until('the first path is back', () => device.paths[0]?.active === true);
    }
    await writes.finish();
    await device.close();
  });

  it('notices a portal that goes silent without a word, and uses the other', async () => {
    const [first, second] = [await proxy(), await proxy()];
    const device = await open([first.portal, second.portal], { commandMs: 60_000 });
    await until('both paths are up', () => device.paths.every(({ up }) => up));
    first.stall();
    await device.write(Buffer.alloc(SIZE / 4, 0x42), 0, PLAIN);
    const target = Buffer.alloc(SIZE / 4);
    await device.read(target, 0);
    expect(target.equals(Buffer.alloc(SIZE / 4, 0x42))).toBe(true);
    expect(device.paths[1]?.active).toBe(true);
    first.cut();
    await device.close();
  });

  it('fails with ETIMEDOUT when the patience is over, and works again when the target is back', async () => {
    const device = await open([tgtd.portal], { patienceMs: 700 });
    await tgtd.kill();
    await expect(async () => device.read(Buffer.alloc(512), 0)).rejects.toMatchObject({
      errno: 'ETIMEDOUT',
    });
    await tgtd.boot();
    await serve('disk');
    await until('the path is back', () => device.paths[0]?.up === true);
    await device.read(Buffer.alloc(512), 0);
    await device.close();
  });

  it('takes another disk under the same number for what it is: ESTALE, and not a byte written', async () => {
    const device = await open([tgtd.portal]);
    await tgtd.kill();
    await tgtd.boot();
    await serve('other', SIZE);
    await expect(async () => device.write(Buffer.alloc(512, 1), 0, PLAIN)).rejects.toMatchObject({
      errno: 'ESTALE',
    });
    expect(device.paths).toMatchObject([{ state: 'other-disk', up: false }]);
    const other = await open([tgtd.portal]);
    expect((await contentOf(other)).equals(Buffer.alloc(SIZE))).toBe(true);
    await other.close();
    // Ours comes back, and is ours again.
    await tgtd.kill();
    await tgtd.boot();
    await serve('disk');
    await until('the path is back', () => device.paths[0]?.up === true);
    await device.read(Buffer.alloc(512), 0);
    await device.close();
  });
});
