/**
 * The arrays' own replication from end to end: `bin/rootcast` over two real Ceph clusters that mirror to each other, driven
 * by `rootcast replication …` only. What the replica holds is compared byte for byte over NBD, also what a client was
 * writing when the first cluster died. Ten minutes and more, most of them waiting for the daemons' half-minute rounds, so only
 * with ROOTCAST_SLOW=1.
 */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { connectNbd } from '../../src/nbd/index.ts';
import { MIRRORED_NEEDS } from '../support/mirrored-clusters.ts';
import { describeWith, slow } from '../support/requires.ts';
import { until } from '../support/until.ts';
import { MIB, MirroredBench, ROUNDS_MS } from './mirrored/mirrored-bench.ts';
import { NumberedWriter } from './storage/numbered-writer.ts';

/** Powers of two, and of equal size: the numbered writer wants the whole to be one. */
const SIZE = 8 * MIB;
const GROWTH = 8 * MIB;
const LONG = 4 * ROUNDS_MS;

describeWith([slow(), ...MIRRORED_NEEDS], 'replication by two Ceph clusters', () => {
  let opened: MirroredBench | undefined;
  const bench = (): MirroredBench => {
    if (opened === undefined) throw new Error('the bench did not open');
    return opened;
  };
  /** What the volume that is written holds. */
  let content = Buffer.alloc(SIZE);

  beforeAll(async () => {
    opened = await MirroredBench.open();
  });
  afterAll(() => opened?.close());

  const same = async (volume: string): Promise<void> => {
    const stored = await bench().content(volume);
    expect(stored.equals(content), volume).toBe(true);
  };

  test(
    'is chosen by itself where both ends have it, and create says so',
    async () => {
      await bench().json('volume', 'create', 'a/db', '--size', String(SIZE));
      await bench().write('a/db', 'first', content);
      const created = await bench().console.run(
        ...['replication', 'create', 'dr', 'a/db', '--target', 'b', '--rpo', '10m'],
      );
      expect(created.stdout).toContain('to b, by the arrays');
      const shown = await bench().soon('dr', 'is mirrored', ({ state, ageSeconds }) => {
        return state === 'idle-consistent' && ageSeconds !== null;
      });
      expect(shown).toMatchObject({ mode: 'array', source: 'a', target: 'b', rpoMissed: false });
      const text = (await bench().console.run('replication', 'show', 'dr')).stdout;
      expect(text).toMatch(/^by: +the arrays$/m);
      expect(text).toMatch(/^age of the replica: +\d+ /m);
      expect(text).toContain('up+replaying');
      expect(await bench().clusters.b.rbd('ls', 'rbd')).toMatch(/^db\./m);
    },
    LONG,
  );

  test('is not for volumes that the arrays cannot mirror: those are sent by Rootcast', async () => {
    const array = ['--mode', 'array'];
    for (const name of ['one', 'two']) {
      await bench().json('volume', 'create', `a/${name}`, '--size', String(MIB));
    }
    const both = ['replication', 'create', 'both', 'a/one', 'a/two', '--target', 'b'];
    expect(await bench().refused(...both, ...array)).toContain('one volume at a time');
    expect(await bench().json(...both)).toMatchObject({ mode: 'engine' });
    await bench().json('snapshot', 'create', 'a/one', '--name', 's');
    await bench().json('volume', 'clone', 'a/one@s', 'twin');
    const twin = ['replication', 'create', 'twin', 'a/twin', '--target', 'b'];
    expect(await bench().refused(...twin, ...array)).toContain('linked clone');
    expect(await bench().json(...twin)).toMatchObject({ mode: 'engine' });
    for (const name of ['both', 'twin']) {
      await bench().soon(name, 'has a point', ({ state }) => state === 'idle-consistent');
      await bench().json('replication', 'delete', name);
    }
  });

  test('names why it tries and verifies nothing, and lets nobody into the replica', async () => {
    const why = 'arrays keep theirs to themselves';
    const prefix = ['--prefix', 'try-'];
    expect(await bench().refused('replication', 'test-failover', 'dr', ...prefix)).toContain(why);
    expect(await bench().refused('replication', 'verify', 'dr')).toContain(why);
    await expect(connectNbd(bench().uri('b/db'))).rejects.toThrow();
    expect(await bench().refused('volume', 'delete', 'b/db')).toContain('dr');
  });

  test(
    'tells how old the replica is, and when that is more than the objective',
    async () => {
      await bench().json('replication', 'set', 'dr', '--rpo', '10s');
      await bench().soon('dr', 'has missed it', ({ rpoMissed }) => rpoMissed);
      await bench().json('replication', 'set', 'dr', '--rpo', '10m');
      await bench().send('dr');
      const { ageSeconds, rpoMissed } = await bench().show('dr');
      expect(ageSeconds).toBeGreaterThanOrEqual(0);
      expect(rpoMissed).toBe(false);
      const told = await bench().messages('replication/dr');
      expect(told.some((message) => /more than 10s/.test(message))).toBe(true);
    },
    LONG,
  );

  test(
    'changes sides when it is planned, and back, and nothing is lost',
    async () => {
      const client = await connectNbd(bench().uri('a/db'));
      expect(await bench().refused('replication', 'failover', 'dr')).toContain('1 open connection');
      await client.disconnect();
      await bench().untilClosed('a/db');
      // The copy grows with it.
      content = Buffer.concat([content, Buffer.alloc(GROWTH)]);
      await bench().json('volume', 'resize', 'a/db', String(content.length));
      await bench().write('a/db', 'last', content);
      for (const [to, from] of [
        ['b', 'a'],
        ['a', 'b'],
      ] as const) {
        await bench().json('replication', 'failover', 'dr');
        expect(await bench().show('dr')).toMatchObject({ source: to, state: 'failed-over' });
        const { size } = await bench().json<{ size: number }>('volume', 'show', `${to}/db`);
        expect(size).toBe(content.length);
        await same(`${to}/db`);
        await expect(connectNbd(bench().uri(`${from}/db`))).rejects.toThrow();
        await bench().write(`${to}/db`, `at ${to}`, content);
        await bench().json('replication', 'reverse', 'dr');
        await bench().send('dr');
        await same(`${to}/db`);
      }
    },
    LONG,
  );

  test(
    'comes out on one side when the service dies between the arrays and the catalog',
    async () => {
      await bench().json('replication', 'failover', 'dr', '--no-wait');
      const { a } = bench().clusters;
      const image = (await a.rbd('ls', 'rbd')).split('\n').find((name) => /^db\./.test(name));
      await until('the original is demoted', async () =>
        (await a.rbd('info', `rbd/${image}`)).includes('mirroring primary: false'),
      );
      await bench().killAndRestart();
      const shown = await bench().soon('dr', 'is one or the other', ({ state }) => {
        return state === 'failed-over' || state === 'idle-consistent';
      });
      await same(`${shown.source}/db`);
      await bench().write(`${shown.source}/db`, 'after the crash', content);
      if (shown.failover === 'none') await bench().json('replication', 'failover', 'dr');
      await same('b/db');
      await bench().json('replication', 'reverse', 'dr');
      await bench().send('dr');
      await bench().json('replication', 'failover', 'dr');
      await bench().json('replication', 'reverse', 'dr');
      await bench().send('dr');
      expect(await bench().show('dr')).toMatchObject({ source: 'a', mode: 'array' });
      await same('a/db');
    },
    LONG,
  );

  test(
    'goes on at the replica when the first cluster is dead; the split is named, and ended',
    async () => {
      const { a } = bench().clusters;
      const writer = new NumberedWriter(content.length);
      await writer.start(bench().uri('a/db'));
      // Every block is one of its own from now on.
      const round = (): boolean => writer.failed || writer.acknowledged > content.length / 4096;
      await until('all of it is written', round, ROUNDS_MS);
      expect(writer.failure).toBeUndefined();
      const sent = writer.acknowledged;
      await bench().send('dr');
      const after = writer.acknowledged;
      await until('more is written', () => writer.acknowledged > after + 200);
      await a.goDark();
      await bench().json('replication', 'failover', 'dr', '--force');
      expect(await bench().show('dr')).toMatchObject({ source: 'b', failover: 'forced' });
      await writer.stop();
      // One moment of what the client wrote: all before some write, and nothing behind it.
      const held = await bench().content('b/db');
      const kept = NumberedWriter.count(held);
      expect(kept).toBeGreaterThanOrEqual(sent);
      expect(kept).toBeLessThanOrEqual(writer.acknowledged + 1);
      held.copy(content);
      await bench().write('b/db', 'life goes on', content);
      await a.comeBack();
      const split = await bench().soon('dr', 'is split', ({ state }) => state === 'split-brain');
      expect(split.reason).toContain('rootcast replication resync dr --discard');
      const told = await bench().messages('replication/dr');
      expect(told.some((message) => /both sides .* original/.test(message))).toBe(true);
      // The writer's connection hangs until the patience of its repository is over.
      await bench().untilClosed('a/db');
      expect(await bench().refused('replication', 'reverse', 'dr')).toContain('never sent');
      await same('b/db');
      await bench().json('replication', 'resync', 'dr', '--discard', 'a');
      await bench().soon('dr', 'is whole again', ({ state }) => state === 'idle-consistent');
      await bench().send('dr');
      await same('b/db');
      await bench().json('replication', 'failover', 'dr');
      expect(await bench().show('dr')).toMatchObject({ source: 'a', failover: 'planned' });
      await same('a/db');
      await bench().write('a/db', 'home again', content);
      await bench().json('replication', 'reverse', 'dr');
      await bench().send('dr');
    },
    LONG,
  );

  test(
    'ends with a volume on either side, and nothing of it in the arrays',
    async () => {
      const atTheEnd = Buffer.from(content);
      await bench().json('replication', 'delete', 'dr');
      for (const volume of ['a/db', 'b/db']) {
        await same(volume);
        await bench().write(volume, `own of ${volume}`, Buffer.from(atTheEnd));
      }
      for (const cluster of [bench().clusters.a, bench().clusters.b]) {
        const images = (await cluster.rbd('ls', 'rbd')).split('\n');
        const name = images.find((image) => /^db\./.test(image));
        expect(await cluster.rbd('info', `rbd/${name}`)).not.toContain('mirroring');
        const snapshots = await cluster.rbd('snap', 'ls', '--all', `rbd/${name}`);
        expect(snapshots).not.toContain('.mirror.');
        const pool = await cluster.rbd('mirror', 'pool', 'status', 'rbd');
        expect(pool).toMatch(/images: 0 total/);
      }
      expect(bench().logged).not.toContain((await bench().clusters.a.key()).trim());
    },
    LONG,
  );
});
