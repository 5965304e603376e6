/**
 * The data path of RBD on a real cluster: the device's contract; no acknowledged write lost and no error when qemu-nbd
 * or the OSD dies; a fenced writer that fails at once; what a dead service leaves behind.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { cephAdapter } from '../../../src/adapters/ceph/index.ts';
import { type BlockDevice, PLAIN } from '../../../src/block/index.ts';
import type { ArrayVolume, Connection } from '../../../src/repositories/index.ts';
import { describeBlockDevice, readAll } from '../../compliance/block-device.ts';
import { CephCluster } from '../../support/ceph-cluster.ts';
import {
  attachCeph,
  type CephRepository,
  cephConnection,
  opId,
  QUIET,
} from '../../support/ceph-repository.ts';
import { randomContent } from '../../support/content.ts';
import { describeWith, program } from '../../support/requires.ts';
import { succeed } from '../../support/run-program.ts';
import { seededRandom } from '../../support/seed.ts';
import { until } from '../../support/until.ts';

const NEEDS = [
  program('ceph-mon', 'ceph-mon'),
  program('ceph-osd', 'ceph-osd'),
  program('rbd', 'ceph-common'),
  program('qemu-nbd', 'qemu-utils'),
];

const MIB = 1024 * 1024;

describeWith(NEEDS, "RBD's data path", () => {
  let cluster: CephCluster;
  let connection: Connection;
  let repository: CephRepository;
  let made = 0;

  beforeAll(async () => {
    cluster = await CephCluster.start();
    connection = await cephConnection(cluster);
    repository = await attachCeph(connection);
  });

  afterAll(async () => {
    await repository?.close();
    await cluster?.stop();
  });

  const create = (size: number): Promise<ArrayVolume> => {
    made += 1;
    const request = { opId: opId(), tag: `tag-${made}`, name: `v${made}`, size, thin: true };
    return repository.control.createVolume(request);
  };

  const open = (volume: ArrayVolume): Promise<BlockDevice> =>
    repository.data.open(volume.locator, { write: true });

  // The suite asks for a new device for each of its tests.
  describeBlockDevice('RBD behind qemu-nbd', async () => {
    const content = randomContent(2 * MIB + 512);
    const volume = await create(content.length);
    const device = await open(volume);
    await device.write(content.subarray(0, MIB), 0, PLAIN);
    await device.write(content.subarray(MIB), MIB, PLAIN);
    return { device, content };
  });

  describe('when something dies', () => {
    /** Writes all over the device, many at a time, until told to stop; the model has what was answered. */
    function load(device: BlockDevice, model: Buffer) {
      const random = seededRandom();
      const unit = 16 * 1024;
      const lanes = 8;
      const slots = model.length / unit / lanes;
      let stopped = false;
      let answered = 0;
      const lane = async (index: number): Promise<void> => {
        while (!stopped) {
          const at = (index * slots + Math.floor(random() * slots)) * unit;
          const bytes = Buffer.alloc(unit, 1 + Math.floor(random() * 255));
          await device.write(bytes, at, PLAIN);
          bytes.copy(model, at);
          answered += 1;
        }
      };
      const all = Promise.all(Array.from({ length: lanes }, (_, index) => lane(index)));
      return {
        answered: () => answered,
        async stop(): Promise<void> {
          stopped = true;
          await all;
        },
        failed: all,
      };
    }

    const servers = (): readonly number[] => {
      const prefix = 'rootcast-ceph-';
      // Of this cluster: other tests run beside this one.
      const isOurs = (name: string): boolean => {
        try {
          return readFileSync(join(tmpdir(), name, 'ceph.conf'), 'utf8').includes(cluster.monHost);
        } catch {
          return false; // it went just now
        }
      };
      const folders = readdirSync(tmpdir()).filter(
        (name) => name.startsWith(prefix) && isOurs(name),
      );
      return folders.flatMap((folder) => {
        const path = join(tmpdir(), folder);
        const notes = readdirSync(path).filter((name) => name.endsWith('.json'));
        const pids = notes.map((name) => JSON.parse(readFileSync(join(path, name), 'utf8')).pid);
        return pids.filter((pid) => command(pid).includes(path));
      });
    };

    const command = (pid: number): string => {
      try {
        return readFileSync(`/proc/${pid}/cmdline`, 'utf8');
      } catch {
        return '';
      }
    };

    const more = (running: { answered(): number }, count: number): Promise<void> => {
      const from = running.answered();
      return until(`${count} more writes`, async () => running.answered() >= from + count);
    };

    it('loses no acknowledged write to kill -9 of qemu-nbd, and fails none', async () => {
      const volume = await create(8 * MIB);
      const device = await open(volume);
      const model = Buffer.alloc(volume.size);
      const running = load(device, model);
      for (let round = 0; round < 3; round += 1) {
        await more(running, 20);
        const [pid] = servers();
        if (pid === undefined) throw new Error('no qemu-nbd');
        process.kill(pid, 'SIGKILL');
        await more(running, 20);
      }
      await running.stop();
      // And without any cache of ours or of qemu's between: as the cluster has it.
      expect((await readAll(device)).equals(model)).toBe(true);
      await device.close();
      const again = await open(volume);
      expect((await readAll(again)).equals(model)).toBe(true);
      await again.close();
    });

    it('waits for an OSD that is restarted, and loses nothing', async () => {
      const volume = await create(8 * MIB);
      const device = await open(volume);
      const model = Buffer.alloc(volume.size);
      const running = load(device, model);
      await more(running, 50);
      await cluster.stopOsd();
      await cluster.startOsd();
      await more(running, 50);
      await running.stop();
      expect((await readAll(device)).equals(model)).toBe(true);
      await device.close();
    });

    it('fails a fenced writer at once, and lets it in again by a new opening only', async () => {
      const volume = await create(MIB);
      const device = await open(volume);
      await device.write(Buffer.alloc(4096, 1), 0, PLAIN);
      const { masking } = repository.control;
      const host = { name: 'here', iqns: [], addresses: ['127.0.0.1'] };
      await masking?.fence?.({ opId: opId(), host });
      const write = async (): Promise<void> => device.write(Buffer.alloc(4096, 2), 0, PLAIN);
      await expect(write()).rejects.toMatchObject({ name: 'BlockError', errno: 'EIO' });
      await masking?.unfence?.({ opId: opId(), host });
      await expect(write()).rejects.toMatchObject({ name: 'BlockError' });
      await device.close();
      const again = await open(volume);
      const target = Buffer.alloc(4096);
      await again.read(target, 0);
      expect(target.equals(Buffer.alloc(4096, 1))).toBe(true);
      await again.write(Buffer.alloc(4096, 3), 0, PLAIN);
      await again.close();
    });

    it('shares one server between all who have an image open, and ends it after the last', async () => {
      const volume = await create(MIB);
      const devices = await Promise.all([open(volume), open(volume), open(volume)]);
      expect(servers()).toHaveLength(1);
      await devices[0]?.write(Buffer.alloc(4096, 7), 0, PLAIN);
      const target = Buffer.alloc(4096);
      await devices[1]?.read(target, 0);
      expect(target.equals(Buffer.alloc(4096, 7))).toBe(true);
      for (const device of devices) await device.close();
      expect(servers()).toHaveLength(0);
    });

    it('shows the new size to who opens after growing; who has it open goes on', async () => {
      const volume = await create(MIB);
      const device = await open(volume);
      await device.write(Buffer.alloc(4096, 5), 0, PLAIN);
      const request = { opId: opId(), ref: volume.ref, size: 3 * MIB };
      await repository.control.resizeVolume(request);
      await device.write(Buffer.alloc(4096, 6), 4096, PLAIN);
      expect(device.geometry.size).toBe(MIB);
      const grown = await open(volume);
      expect(grown.geometry.size).toBe(3 * MIB);
      await grown.write(Buffer.alloc(4096, 9), 2 * MIB, PLAIN);
      const head = Buffer.alloc(8192);
      await grown.read(head, 0);
      expect([head[0], head[4096]]).toEqual([5, 6]);
      await device.close();
      await grown.close();
    });
  });

  describe('the array behind it', () => {
    it('removes the name that a deletion has left that died at its end', async () => {
      const volume = await create(MIB);
      const { nativeId, name } = volume.ref;
      await succeed('rados', ['-p', 'rbd', 'rm', `rbd_header.${nativeId}`], {
        env: { CEPH_CONF: cluster.conf },
      });
      expect(await cluster.rbd('ls', 'rbd')).toContain(name);
      await repository.control.deleteVolume({ opId: opId(), ref: volume.ref });
      expect(await cluster.rbd('ls', 'rbd')).not.toContain(name);
      await repository.control.deleteVolume({ opId: opId(), ref: volume.ref });
    });

    it('is found step by step', async () => {
      const { signal } = new AbortController();
      const { repositoryId: _, ...rest } = connection;
      const probe = (settings: Connection['settings']) =>
        cephAdapter.probe({ ...rest, settings }, QUIET, signal);
      expect(await probe({})).toMatchObject({ step: 'address', choose: 'monHosts' });
      const monHosts = [cluster.monHost];
      const pools = await probe({ monHosts });
      expect(pools).toMatchObject({ step: 'pool', choose: 'pool' });
      expect(pools.found.map(({ value }) => value)).toEqual(['rbd']);
      const ready = await probe({ monHosts, pool: 'rbd' });
      expect(ready).toMatchObject({ step: 'ready', choose: undefined });
      expect(ready.found[0]?.holds?.repositoryId).toBe(connection.repositoryId);
      const byFile = await probe({ conf: cluster.conf, pool: 'rbd' });
      expect(byFile.step).toBe('ready');
    });

    it('says that a wrong key is refused, and that nobody tells its capacity', async () => {
      const { signal } = new AbortController();
      const secrets = { key: 'AQBvaBlnAAAAABAAKbVl4YJnZkZ0Y2hpbmc9PQ==' };
      const probed = cephAdapter.probe({ ...connection, secrets }, QUIET, signal);
      await expect(probed).rejects.toMatchObject({ code: 'AUTH_FAILED' });
      // This cluster has no manager daemon.
      expect(await repository.control.space()).toBeUndefined();
    });

    it('belongs to one server; another may take over, and cuts the first one off', async () => {
      const volume = await create(MIB);
      const device = await open(volume);
      await device.write(Buffer.alloc(4096, 1), 0, PLAIN);
      const other = { ...connection, initiatorName: 'iqn.2026-01.dev.rootcast:other' };
      const { signal } = new AbortController();
      await expect(cephAdapter.attach(other, QUIET, { signal })).rejects.toMatchObject({
        code: 'EXCLUSIVE_ATTACHED',
      });
      const strange = { ...other, repositoryId: 'another-repository' };
      await expect(
        cephAdapter.attach(strange, QUIET, { create: true, signal }),
      ).rejects.toMatchObject({ code: 'ALREADY_MANAGED' });
      const control = await cephAdapter.attach(other, QUIET, { takeOver: true, signal });
      const data = cephAdapter.openData(other, QUIET, async (question) =>
        control.answer?.(question),
      );
      const write = async (): Promise<void> => device.write(Buffer.alloc(4096, 2), 0, PLAIN);
      await expect(write()).rejects.toMatchObject({ name: 'BlockError', errno: 'EIO' });
      await device.close();
      await expect(open(volume)).rejects.toMatchObject({ errno: 'EPERM' });
      const taken = await data.open(volume.locator, { write: true });
      const target = Buffer.alloc(4096);
      await taken.read(target, 0);
      expect(target.equals(Buffer.alloc(4096, 1))).toBe(true);
      await taken.write(Buffer.alloc(4096, 3), 0, PLAIN);
      await taken.close();
      await data.close?.();
      await control.close();
    });
  });
});
