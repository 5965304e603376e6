/** Replications are paused, changed and deleted; objectives are told. */
import { beforeEach, describe, expect, it } from 'vitest';
import {
  deleteReplication,
  pauseReplication,
  resumeReplication,
  runReplication,
  updateReplication,
} from '../../../../src/control/index.ts';
import { Fault } from '../../../../src/errors/index.ts';
import { kinds } from '../support/fake-service.ts';
import { CHUNK, protectedVolume, type ReplicationRig, replicationRig, send, show } from './rig.ts';

let rig: ReplicationRig;
beforeEach(() => {
  rig = replicationRig();
});

describe('a replication is managed', () => {
  it('by pausing it in the middle, and resuming it there', async () => {
    await protectedVolume(rig, { interval: '1m' });
    rig.storage.write('db', 0, 'x'.repeat(10 * CHUNK));
    let paused: Promise<unknown> | undefined;
    rig.replicator.atCheckpoint = async () => {
      paused ??= pauseReplication(rig.control, 'dr');
      await Promise.resolve();
    };
    expect(await send(rig)).toMatchObject({ state: 'cancelled' });
    await paused;
    expect(show(rig)).toMatchObject({ state: 'paused', paused: true, running: false });
    rig.clock.advance(3_600_000);
    await rig.observe();
    expect(show(rig).points[0]).toMatchObject({ number: 2, state: 'sending' });
    expect(() => runReplication(rig.control, 'dr')).toThrowError(/is paused/);
    resumeReplication(rig.control, 'dr');
    await rig.observe();
    expect(show(rig).points[0]).toMatchObject({ number: 2, state: 'complete' });
    expect(show(rig)).toMatchObject({ state: 'idle-consistent', paused: false });
  });

  it('by changing it while it runs: its throttle at once', async () => {
    await protectedVolume(rig, { throttle: '1M' });
    const { id } = show(rig);
    expect(rig.replicator.throttles.get(id)).toBe(2 ** 20);
    updateReplication(rig.control, 'dr', { throttle: null, name: 'site', interval: '1h' });
    expect(rig.replicator.throttles.get(id)).toBeUndefined();
    const changed = rig.control.catalog.replications.byName('site');
    expect(changed).toMatchObject({ nextAt: rig.clock.now() + 3_600_000 });
  });

  it('by deleting it: the replica is a volume at its last point, and its points are snapshots', async () => {
    await protectedVolume(rig);
    rig.storage.write('db', 0, 'half sent');
    rig.replicator.atCheckpoint = () => {
      throw new Fault('UNAVAILABLE', 'the disk fails');
    };
    await send(rig);
    rig.storage.before = (what) => {
      if (what === 'revert') throw new Fault('UNREACHABLE', 'away');
    };
    const refused = deleteReplication(rig.control, 'dr', {});
    await expect(refused).rejects.toMatchObject({ code: 'UNREACHABLE' });
    rig.storage.before = () => undefined;
    const replica = rig.volumeId('there/db');
    await deleteReplication(rig.control, 'dr', {});
    expect(rig.storage.textAt(replica, 0, 11)).toBe('db at first');
    const { catalog } = rig.control;
    expect(catalog.volumes.byId(replica)).toMatchObject({ role: 'volume' });
    const snapshots = [...rig.storage.snapshots.keys()].map((id) => catalog.snapshots.byId(id));
    expect(snapshots.map((snapshot) => snapshot?.held)).toEqual([false, false, false]);
    expect(kinds(rig)).toContain('replication.deleted');
  });
});

describe('the recovery point objective', () => {
  it('is told when it is exceeded, and when it is met again', async () => {
    await protectedVolume(rig, { rpo: '5m' });
    rig.clock.advance(300_000);
    await rig.observe();
    expect(show(rig)).toMatchObject({ rpoMissed: false, ageSeconds: 300 });
    rig.clock.advance(1_000);
    await rig.observe();
    await rig.observe();
    expect(show(rig)).toMatchObject({ rpoMissed: true, ageSeconds: 301 });
    await send(rig);
    await rig.observe();
    expect(show(rig)).toMatchObject({ rpoMissed: false, ageSeconds: 0 });
    expect(kinds(rig).filter((kind) => kind.startsWith('replication.rpo'))).toEqual([
      ...['replication.rpo-missed', 'replication.rpo-met'],
    ]);
  });

  it('counts from when the point was taken, not from when it was complete', async () => {
    await protectedVolume(rig, { rpo: '1m' });
    rig.storage.write('db', 0, 'slow');
    rig.replicator.atCheckpoint = () => rig.clock.advance(90_000);
    await send(rig);
    await rig.observe();
    expect(show(rig).rpoMissed).toBe(true);
  });
});
