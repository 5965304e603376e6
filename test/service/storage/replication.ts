/** Replication between kinds of storage that know nothing of each other, and its failovers. */
import { describe, expect, test } from 'vitest';
import { connectNbd } from '../../../src/nbd/index.ts';
import { type Bench, MIB } from './bench.ts';
import { contentAt } from './numbered-writer.ts';
import { consoleOf, soon } from './volumes.ts';

const SIZE = 16 * MIB;
const CHUNK = 65_536;

interface Point {
  readonly number: number;
  readonly state: string;
  readonly volumes: readonly {
    readonly figures: {
      readonly read: number;
      readonly written: number;
      readonly zeroed: number;
    } | null;
  }[];
}

interface Replication {
  readonly state: string;
  readonly reason: string | null;
  readonly source: string;
  readonly reversed: boolean;
  readonly points: readonly Point[];
}

interface Proof {
  readonly volumes: readonly { readonly repository: string; readonly same: boolean }[];
}

export function replicationTests(bench: () => Bench): void {
  const { json } = consoleOf(bench);

  const uri = (volume: string): string => bench().uri(`volume/${volume}`);
  const show = (name: string): Promise<Replication> => json('replication', 'show', name);

  async function untilComplete(name: string, number: number): Promise<Point> {
    let found: Point | undefined;
    await soon(`${name} has point ${number}`, async () => {
      const { points, state, reason } = await show(name);
      if (state === 'error' || state === 'broken') throw new Error(`${name}: ${reason}`);
      found = points.find((point) => point.number === number && point.state === 'complete');
      return found !== undefined;
    });
    if (found === undefined) throw new Error('unreachable');
    return found;
  }

  /** After a change of sides a point goes the other way by itself. */
  async function untilQuiet(name: string): Promise<void> {
    await soon(`${name} sends nothing`, async () => {
      const { state, reason, points } = await show(name);
      if (state === 'error' || state === 'broken') throw new Error(`${name}: ${reason}`);
      const newest = points.reduce((most, point) => (point.number > most.number ? point : most));
      return state !== 'syncing' && newest.state === 'complete';
    });
  }

  /** A piece at each place, over one connection. */
  async function write(
    volume: string,
    places: number | readonly number[],
    text: string,
    content: Buffer,
  ): Promise<void> {
    const client = await connectNbd(uri(volume));
    for (const at of [places].flat()) {
      const piece = Buffer.alloc(CHUNK, `${text} ${at}`);
      await client.write(piece, at);
      piece.copy(content, at);
    }
    await client.flush();
    await client.disconnect();
    await soon(`nobody has ${volume} open`, async () => {
      const { connections } = await json<{ connections?: number }>('volume', 'show', volume);
      return (connections ?? 0) === 0;
    });
  }

  async function expectContent(volume: string, content: Buffer): Promise<void> {
    const stored = await contentAt(uri(volume));
    expect(stored.equals(content), volume).toBe(true);
  }

  /** @returns what the source holds; two points are complete, and the second sent a difference only */
  async function twoPoints(name: string, from: string, to: string): Promise<Buffer> {
    const content = Buffer.alloc(SIZE);
    const source = `${from}/${name}`;
    await json('volume', 'create', source, '--size', String(SIZE));
    const places = Array.from({ length: 8 }, (_, index) => index * 2 * MIB);
    await write(source, places, name, content);
    await json('replication', 'create', name, source, '--target', to);
    await untilComplete(name, 1);
    await expectContent(`${to}/${name}@${await pointName(to, name)}`, content);
    await write(source, 3 * MIB, 'second', content);
    await json('replication', 'run', name);
    const { volumes } = await untilComplete(name, 2);
    const figures = volumes[0]?.figures;
    expect(figures?.written).toBeGreaterThanOrEqual(CHUNK);
    expect((figures?.written ?? 0) + (figures?.zeroed ?? 0)).toBeLessThan(SIZE / 4);
    const proof = await json<Proof>('replication', 'verify', name, '--source');
    expect(proof.volumes.map(({ same }) => same)).toEqual([true, true]);
    return content;
  }

  async function pointName(repository: string, volume: string): Promise<string> {
    const snapshots = await json<{ name: string }[]>('snapshot', 'list', `${repository}/${volume}`);
    return snapshots.at(-1)?.name ?? '';
  }

  describe('replication', () => {
    test('from iSCSI to NFS: two points, a planned failover, and back', async () => {
      const content = await twoPoints('planned', 'iscsi', 'nfs');
      await json('replication', 'failover', 'planned');
      await expectContent('nfs/planned', content);
      await write('nfs/planned', 5 * MIB, 'at the replica', content);
      await json('replication', 'reverse', 'planned');
      await untilQuiet('planned');
      expect((await show('planned')).reversed).toBe(true);
      await expectContent(`iscsi/planned@${await pointName('iscsi', 'planned')}`, content);
    });

    test('from Ceph to iSCSI: the replica is tried, and not touched by it', async () => {
      const content = await twoPoints('tried', 'ceph', 'iscsi');
      await json('replication', 'test-failover', 'tried', '--prefix', 'try-');
      await expectContent('iscsi/try-tried', content);
      await write('iscsi/try-tried', 0, 'a trial', Buffer.from(content));
      const proof = await json<Proof>('replication', 'verify', 'tried', '--source');
      expect(proof.volumes.every(({ same }) => same)).toBe(true);
    });

    test('from NFS to Btrfs: the source dies, the replica takes over, the source follows', async () => {
      const content = await twoPoints('forced', 'nfs', 'btrfs');
      await write('nfs/forced', 7 * MIB, 'never sent', Buffer.from(content));
      const { ganesha } = bench().places.servers;
      await ganesha.kill();
      try {
        await json('replication', 'failover', 'forced', '--force');
        await expectContent('btrfs/forced', content);
        await write('btrfs/forced', 9 * MIB, 'life goes on', content);
      } finally {
        await ganesha.restart();
      }
      await json('replication', 'resync', 'forced', '--discard', 'nfs');
      await untilQuiet('forced');
      const proof = await json<Proof>('replication', 'verify', 'forced', '--source');
      expect(proof.volumes.every(({ same }) => same)).toBe(true);
      await expectContent(`nfs/forced@${await pointName('nfs', 'forced')}`, content);
    });
  });
}
