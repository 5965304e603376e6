/**
 * The storage servers of a laboratory, as one process inside its network namespace: nfs-ganesha, tgtd with a LUN, a Ceph
 * cluster. Says where they are in one line of JSON, and ends them all when it is told to leave.
 *
 *   node test/boot/support/storage-servers.ts
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { CephCluster } from '../../support/ceph-cluster.ts';
import { Ganesha } from '../../support/nfs-ganesha.ts';
import { Tgtd } from '../../support/tgtd.ts';

/** `--set` of `repository create`, for each kind. */
export interface StorageServers {
  readonly nfs: readonly string[];
  readonly iscsi: readonly string[];
  readonly ceph: readonly string[];
  /** A file with the secret that Ceph wants. */
  readonly cephKey: string;
}

const LUN_BYTES = 2 * 2 ** 30;
const IQN = 'iqn.2026-01.dev.rootcast.test:boot';

const stops: (() => Promise<void>)[] = [];

async function stopAll(): Promise<void> {
  for (const stop of stops.splice(0).reverse()) await stop().catch(console.error);
}

async function start(): Promise<StorageServers> {
  const ganesha = await Ganesha.start();
  stops.push(() => ganesha.stop());
  const tgtd = await Tgtd.start();
  stops.push(() => tgtd.stop());
  await tgtd.target(1, IQN);
  await tgtd.lun(1, 1, 'boot', { size: LUN_BYTES });
  await tgtd.open(1);
  // Capacity is told by the manager.
  const ceph = await CephCluster.start({ manager: true });
  stops.push(() => ceph.stop());
  const cephKey = join(ceph.folder, 'key-for-rootcast');
  writeFileSync(cephKey, await ceph.key(), { mode: 0o600 });
  return {
    nfs: [
      ...[`server=${ganesha.server}`, `serverpath=${ganesha.path()}`],
      ...[`port=${ganesha.port}`, `mountPort=${ganesha.mountPort}`],
    ],
    iscsi: [`target=${tgtd.portal}`, `targetIQN=${IQN}`, 'LUNid=1'],
    ceph: [`monHosts=${ceph.monHost}`, 'pool=rbd', 'user=admin'],
    cephKey,
  };
}

process.once('SIGTERM', async () => {
  await stopAll();
  process.exit(0);
});
try {
  console.log(JSON.stringify(await start()));
} catch (error) {
  console.error(error);
  await stopAll();
  process.exit(1);
}
// Until it is told to leave.
setInterval(() => undefined, 60_000);
