/** Two one-node Ceph clusters whose pools `rbd` mirror single images to each other, with a daemon in each. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { CephCluster } from './ceph-cluster.ts';
import { program } from './requires.ts';

export const MIRRORED_NEEDS = [
  program('ceph-mon', 'ceph-mon'),
  program('ceph-osd', 'ceph-osd'),
  program('ceph-mgr', 'ceph-mgr'),
  program('rbd', 'ceph-common'),
  program('rbd-mirror', 'rbd-mirror'),
  program('qemu-nbd', 'qemu-utils'),
];

export class MirroredClusters {
  readonly a: CephCluster;
  readonly b: CephCluster;

  private constructor(a: CephCluster, b: CephCluster) {
    this.a = a;
    this.b = b;
  }

  /** Their sites are called `site-a` and `site-b`. */
  static async start(): Promise<MirroredClusters> {
    const a = await CephCluster.start({ manager: true });
    try {
      const b = await CephCluster.start({ manager: true });
      const both = new MirroredClusters(a, b);
      try {
        await both.#introduce();
        return both;
      } catch (error) {
        await b.stop();
        throw error;
      }
    } catch (error) {
      await a.stop();
      throw error;
    }
  }

  async #introduce(): Promise<void> {
    for (const cluster of [this.a, this.b]) {
      await cluster.rbd('mirror', 'pool', 'enable', 'rbd', 'image');
      await cluster.startMirror();
    }
    const peer = ['mirror', 'pool', 'peer', 'bootstrap'];
    const token = await this.a.rbd(...peer, 'create', '--site-name', 'site-a', 'rbd');
    const path = join(this.b.folder, 'token');
    await writeFile(path, token, { mode: 0o600 });
    const how = ['--site-name', 'site-b', '--direction', 'rx-tx'];
    await this.b.rbd(...peer, 'import', ...how, 'rbd', path);
  }

  async stop(): Promise<void> {
    const ended = await Promise.allSettled([this.a.stop(), this.b.stop()]);
    for (const end of ended) if (end.status === 'rejected') throw end.reason;
  }
}
