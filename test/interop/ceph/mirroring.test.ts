/**
 * RBD mirroring between two real clusters: planned failover, forced failover, split brain, resync. Three minutes, most
 * of them waiting for the daemons' half-minute rounds, so only with ROOTCAST_SLOW=1.
 */
import { afterAll, beforeAll, expect, it } from 'vitest';
import { PLAIN } from '../../../src/block/index.ts';
import { ArrayError } from '../../../src/errors/index.ts';
import type { ArrayRef, ArrayVolume, ReplicationControl } from '../../../src/repositories/index.ts';
import {
  attachCeph,
  type CephRepository,
  cephConnection,
  opId,
} from '../../support/ceph-repository.ts';
import { MIRRORED_NEEDS, MirroredClusters } from '../../support/mirrored-clusters.ts';
import { describeWith, slow } from '../../support/requires.ts';
import { until } from '../../support/until.ts';

const NEEDS = [slow(), ...MIRRORED_NEEDS];
const PATIENCE_MS = 300_000;
const TAG = 'mirrored';

describeWith(NEEDS, 'RBD mirroring', () => {
  let clusters: MirroredClusters | undefined;
  const repositories: CephRepository[] = [];
  let volume: ArrayVolume;

  beforeAll(async () => {
    clusters = await MirroredClusters.start();
    for (const [index, cluster] of [clusters.a, clusters.b].entries()) {
      const connection = await cephConnection(cluster);
      repositories.push(await attachCeph({ ...connection, repositoryId: `mirror-${index}` }));
    }
  });

  afterAll(async () => {
    for (const repository of repositories) await repository.close();
    await clusters?.stop();
  });

  const side = (index: 0 | 1): CephRepository => {
    const found = repositories[index];
    if (found === undefined) throw new Error(`no side ${index}`);
    return found;
  };

  const replication = (index: 0 | 1): ReplicationControl => {
    const found = side(index).control.replication;
    if (found === undefined) throw new Error('no replication');
    return found;
  };

  /** The copy has our tag as soon as it was copied. */
  const refOn = async (index: 0 | 1): Promise<ArrayRef | undefined> =>
    (await side(index).control.findVolume({ tag: TAG }))?.ref;

  const there = async (index: 0 | 1): Promise<ArrayRef> => {
    const ref = await refOn(index);
    if (ref === undefined) throw new Error(`no volume on side ${index}`);
    return ref;
  };

  const write = async (index: 0 | 1, fill: number): Promise<void> => {
    const found = await side(index).control.findVolume({ tag: TAG });
    if (found === undefined) throw new Error('no volume');
    const device = await side(index).data.open(found.locator, { write: true });
    await device.write(Buffer.alloc(65_536, fill), 0, PLAIN);
    await device.close();
  };

  const read = async (index: 0 | 1): Promise<number | undefined> => {
    const found = await side(index).control.findVolume({ tag: TAG });
    if (found === undefined) return undefined;
    const device = await side(index).data.open(found.locator, { write: false });
    const target = Buffer.alloc(65_536);
    await device.read(target, 0);
    await device.close();
    return target.every((byte) => byte === target[0]) ? target[0] : -1;
  };

  const codeOf = async (call: Promise<unknown>): Promise<string> => {
    try {
      await call;
      return 'done';
    } catch (error) {
      if (error instanceof ArrayError) return error.code;
      throw error;
    }
  };

  it('copies, and the copy cannot be written', async () => {
    const request = {
      opId: opId(),
      tag: TAG,
      name: 'mirrored',
      size: 16 * 1024 * 1024,
      thin: true,
    };
    volume = await side(0).control.createVolume(request);
    await write(0, 1);
    expect(replication(0).site).toBe('site-a/rbd');
    expect(await replication(0).peers()).toEqual(['site-b/rbd']);
    expect((await replication(0).enable({ opId: opId(), volume: volume.ref })).role).toBe(
      'primary',
    );
    await replication(0).enable({ opId: opId(), volume: volume.ref });
    await until('the copy is there', async () => (await refOn(1)) !== undefined, PATIENCE_MS);
    await until(
      'the copy is complete',
      async () => (await replication(1).status(await there(1)))?.state === 'idle-consistent',
      PATIENCE_MS,
    );
    await until('the copy is equal', async () => (await read(1)) === 1, PATIENCE_MS);
    const link = await replication(1).status(await there(1));
    expect(link?.role).toBe('secondary');
    expect(link?.lastSyncAt).toBeGreaterThan(0);
    await expect(write(1, 9)).rejects.toMatchObject({ errno: 'EROFS' });
    expect(await codeOf(replication(1).syncNow({ opId: opId(), volume: await there(1) }))).toBe(
      'FROZEN',
    );
    expect(await codeOf(replication(1).disable({ opId: opId(), volume: await there(1) }))).toBe(
      'FROZEN',
    );
  });

  it('sends what changed when it is asked to', async () => {
    await write(0, 2);
    await replication(0).syncNow({ opId: opId(), volume: volume.ref });
    await until('the change is there', async () => (await read(1)) === 2, PATIENCE_MS);
  });

  it('changes sides: not before the demotion has come over', async () => {
    const early = replication(1).promote({ opId: opId(), volume: await there(1), force: false });
    expect(await codeOf(early)).toBe('DEMOTION_NOT_PROPAGATED');
    const demoted = await replication(0).demote({ opId: opId(), volume: volume.ref });
    expect(demoted.role).toBe('secondary');
    await replication(0).demote({ opId: opId(), volume: volume.ref });
    await until(
      'it is promoted',
      async () => {
        const promoted = replication(1).promote({
          opId: opId(),
          volume: await there(1),
          force: false,
        });
        const code = await codeOf(promoted);
        expect(['done', 'DEMOTION_NOT_PROPAGATED']).toContain(code);
        return code === 'done';
      },
      PATIENCE_MS,
    );
    await write(1, 3);
    // The other side gets what a mirror snapshot holds, no more.
    await replication(1).syncNow({ opId: opId(), volume: await there(1) });
    expect((await replication(1).status(await there(1)))?.role).toBe('primary');
  });

  it(
    'is promoted by force, splits, and is made equal again',
    async () => {
      await replication(0).promote({ opId: opId(), volume: await there(0), force: true });
      await write(0, 4);
      await replication(0).demote({ opId: opId(), volume: await there(0) });
      await until(
        'the split is seen',
        async () => (await replication(0).status(await there(0)))?.state === 'split-brain',
        PATIENCE_MS,
      );
      const promoted = replication(0).promote({
        opId: opId(),
        volume: await there(0),
        force: false,
      });
      expect(await codeOf(promoted)).toBe('SPLIT_BRAIN');
      await replication(0).resync({ opId: opId(), volume: await there(0) });
      // Who looks into the image too early keeps the daemon from replacing it.
      await until(
        'it is equal',
        async () => {
          const ref = await refOn(0).catch(() => undefined);
          const link =
            ref &&
            (await replication(0)
              .status(ref)
              .catch(() => undefined));
          return link?.state === 'idle-consistent';
        },
        PATIENCE_MS,
      );
      expect(await read(0)).toBe(3);
      await replication(1).disable({ opId: opId(), volume: await there(1) });
      expect(await replication(1).status(await there(1))).toBeUndefined();
    },
    2 * PATIENCE_MS,
  );
});
