import { describe, expect, test } from 'vitest';
import { type BlockDevice, PLAIN } from '../../../../src/block/index.ts';
import type {
  ArrayControl,
  ArrayRef,
  ArrayVolume,
  ReplicationControl,
  VolumeData,
} from '../../../../src/repositories/index.ts';
import { outcome, present, readAll, writeAtRandom } from '../../../compliance/array/bench.ts';
import { seededRandom } from '../../../support/seed.ts';
import { SimulatedPeers } from '../../../support/simulated-arrays.ts';

const SIZE = 512 * 1024;

class End {
  readonly control: ArrayControl;
  readonly data: VolumeData;
  readonly links: ReplicationControl;

  constructor({ control, data }: { readonly control: ArrayControl; readonly data: VolumeData }) {
    this.control = control;
    this.data = data;
    this.links = present(control.replication, 'replication');
  }

  async volume(): Promise<ArrayVolume> {
    return present(await this.control.findVolume({ tag: 'disk' }), 'the volume');
  }

  async use<T>(write: boolean, work: (device: BlockDevice) => Promise<T>): Promise<T> {
    const device = await this.data.open((await this.volume()).locator, { write });
    try {
      return await work(device);
    } finally {
      await device.close();
    }
  }

  content = (): Promise<Buffer> => this.use(false, readAll);

  async call(name: 'enable' | 'disable' | 'demote' | 'resync' | 'syncNow') {
    return await this.links[name]({ opId: name, volume: (await this.volume()).ref });
  }

  async promote(force: boolean) {
    return await this.links.promote({ opId: 'p', volume: (await this.volume()).ref, force });
  }

  async state() {
    const link = present(await this.links.status((await this.volume()).ref), 'a link');
    return `${link.role} ${link.state}`;
  }
}

async function pair() {
  const peers = new SimulatedPeers();
  const one = new End(await peers.attach({ target: 'one', peer: 'two' }));
  const two = new End(await peers.attach({ target: 'two', peer: 'one' }));
  const wanted = { opId: 'a', tag: 'disk', name: 'disk', size: SIZE, thin: true };
  await one.control.createVolume(wanted);
  const content = Buffer.alloc(SIZE);
  const random = seededRandom();
  const change = (end: End, to = content): Promise<void> =>
    end.use(true, (device) => writeAtRandom(device, to, random, 5));
  await change(one);
  await one.call('enable');
  return { peers, one, two, content, change };
}

describe('replication between simulated arrays', () => {
  test('shows the newest complete point on the other side, which cannot be written', async () => {
    const { one, two, content, change } = await pair();
    expect(one.links.site).toBe('one');
    expect(await one.links.peers()).toEqual(['two']);
    expect(await one.state()).toBe('primary initializing');
    await one.call('syncNow');
    expect([await one.state(), await two.state()]).toEqual([
      'primary idle-consistent',
      'secondary idle-consistent',
    ]);
    const point = Buffer.from(content);
    expect((await two.content()).equals(point)).toBe(true);
    await change(one);
    expect((await two.content()).equals(point)).toBe(true); // not before it is sent
    await one.call('syncNow');
    expect((await two.content()).equals(content)).toBe(true);
    await expect(two.use(true, readAll)).rejects.toMatchObject({ errno: 'EROFS' });
  });

  test('never shows half a point to who reads meanwhile', async () => {
    const { one, two, content, change } = await pair();
    await one.call('syncNow');
    const before = Buffer.from(content);
    await change(one);
    const sending = one.call('syncNow');
    const seen: Buffer[] = [];
    await two.use(false, async (device) => {
      for (let n = 0; n < 20; n += 1) {
        const whole = Buffer.alloc(SIZE);
        await device.read(whole, 0); // one request: of one moment
        seen.push(whole);
        await new Promise((resolve) => setImmediate(resolve));
      }
    });
    await sending;
    for (const each of seen) expect(each.equals(before) || each.equals(content)).toBe(true);
    expect(seen[0]?.equals(before)).toBe(true);
  });

  test('enabled again is the same link; disabled both are volumes of their own', async () => {
    const { one, two, content } = await pair();
    const link = await one.call('enable');
    expect(await one.call('enable')).toEqual(link);
    expect(
      await outcome(one.control.deleteVolume({ opId: 'd', ref: (await one.volume()).ref })),
    ).toBe('IN_USE');
    await one.call('syncNow');
    await one.call('disable');
    await one.call('disable');
    for (const end of [one, two]) {
      expect(await end.links.status((await end.volume()).ref)).toBeUndefined();
      expect((await end.content()).equals(content)).toBe(true);
      await end.use(true, async (device) => device.write(Buffer.alloc(512, 1), 0, PLAIN));
    }
  });

  test('changes its direction in order: nothing is lost, and there and back again', async () => {
    const { one, two, content, change } = await pair();
    await one.call('syncNow');
    expect(await outcome(two.promote(false))).toBe('DEMOTION_NOT_PROPAGATED');
    let [from, to] = [one, two];
    for (let turn = 0; turn < 3; turn += 1) {
      await change(from);
      await from.call('demote');
      expect(await from.state()).toBe('secondary demoted');
      await to.promote(false);
      await to.promote(false);
      expect((await to.content()).equals(content)).toBe(true);
      await expect(from.use(true, readAll)).rejects.toMatchObject({ errno: 'EROFS' });
      await change(to);
      await to.call('syncNow');
      expect((await from.content()).equals(content)).toBe(true);
      [from, to] = [to, from];
    }
  });

  test('is not let go of while somebody writes', async () => {
    const { one } = await pair();
    await one.use(true, async () => {
      expect(await outcome(one.call('demote'))).toBe('IN_USE');
    });
    expect(await one.call('demote')).toMatchObject({ role: 'secondary' });
  });

  test('is taken back by the side that let go, unless the other has taken over', async () => {
    const { one, two } = await pair();
    await one.call('demote');
    expect(await one.promote(false)).toMatchObject({ role: 'primary' });
    await one.call('demote');
    await two.promote(false);
    expect(await outcome(one.promote(false))).toBe('DEMOTION_NOT_PROPAGATED');
  });

  test('by force makes a split brain, which ends where somebody gives in', async () => {
    const { peers, one, two, content, change } = await pair();
    await one.call('syncNow');
    const theirs = Buffer.from(content);
    peers.world.connect('one', 'two', false);
    expect(await outcome(one.call('syncNow'))).toBe('PEER_UNREACHABLE');
    expect(await outcome(two.promote(false))).toBe('DEMOTION_NOT_PROPAGATED');
    await two.promote(true);
    expect([await one.state(), await two.state()]).toEqual([
      'primary unknown',
      'primary failed-over',
    ]);
    await change(two, theirs);
    await change(one, content);
    peers.world.connect('one', 'two', true);
    expect([await one.state(), await two.state()]).toEqual([
      'primary split-brain',
      'primary split-brain',
    ]);
    expect(await outcome(one.call('syncNow'))).toBe('SPLIT_BRAIN');
    expect((await one.content()).equals(content)).toBe(true);
    await one.call('resync');
    expect((await one.content()).equals(theirs)).toBe(true);
    expect([await one.state(), await two.state()]).toEqual([
      'secondary idle-consistent',
      'primary idle-consistent',
    ]);
    await change(two, theirs);
    await two.call('syncNow');
    expect((await one.content()).equals(theirs)).toBe(true);
  });

  test('of a volume that grows, and of one that is not there', async () => {
    const { one, two, content } = await pair();
    await one.call('syncNow');
    const { ref } = await one.volume();
    await one.control.resizeVolume({ opId: 'r', ref, size: SIZE * 2 });
    await one.call('syncNow');
    expect((await two.volume()).size).toBe(SIZE * 2);
    expect((await two.content()).equals(Buffer.concat([content, Buffer.alloc(SIZE)]))).toBe(true);
    const missing: ArrayRef = { kind: 'volume', nativeId: 'vol-none', name: 'none' };
    const enabled = one.links.enable({ opId: 'e', volume: missing });
    expect(await outcome(enabled)).toBe('NOT_FOUND');
  });

  test('needs another array', async () => {
    const { control } = await new SimulatedPeers().attach({ peer: 'nowhere' });
    const links = present(control.replication, 'replication');
    const wanted = { opId: 'a', tag: 'disk', name: 'disk', size: SIZE, thin: true };
    const { ref } = await control.createVolume(wanted);
    expect(await links.peers()).toEqual([]);
    expect(await outcome(links.enable({ opId: 'e', volume: ref }))).toBe('PEER_MISSING');
  });
});
