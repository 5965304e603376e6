/** Real storage of every kind, and how a user attaches each as a repository. */
import { mkdir, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { loopFileSystem } from '../../interop/local/loop-file-system.ts';
import { CephCluster } from '../../support/ceph-cluster.ts';
import { Ganesha } from '../../support/nfs-ganesha.ts';
import { file, program, root } from '../../support/requires.ts';
import { temporaryFolder } from '../../support/temporary-folder.ts';
import { Tgtd } from '../../support/tgtd.ts';

const MIB = 2 ** 20;
const LUN_BYTES = 768 * MIB;
const SMALL_LUN_BYTES = 64 * MIB;
const IQN = 'iqn.2026-01.dev.rootcast.test:storage';
const CHAP = { user: 'rack7', password: 'a-chap-secret-7f3d' };
/** Seconds that requests wait for a server; longer than any outage here, shorter than the test's patience. */
const PATIENCE = 'patience=60';

export const STORAGE_NEEDS = [
  root(),
  file('/dev/loop-control', 'mount'),
  program('mkfs.btrfs', 'btrfs-progs'),
  program('mkfs.ext4', 'e2fsprogs'),
  program('tgtd', 'tgt'),
  program('ganesha.nfsd', 'nfs-ganesha'),
  program('rpcbind', 'rpcbind'),
  program('ip', 'iproute2'),
  program('ceph-osd', 'ceph-osd'),
  program('ceph-mon', 'ceph-mon'),
  program('ceph-mgr', 'ceph-mgr'),
  program('rbd', 'ceph-common'),
  program('qemu-nbd', 'qemu-utils'),
];

export const KINDS = ['ext4', 'btrfs', 'nfs', 'iscsi', 'tgt', 'simulated', 'ceph'] as const;
export type Kind = (typeof KINDS)[number];
/** Those that have room for a few volumes only. */
export const SMALL_KINDS = ['small-ext4', 'small-nfs', 'small-iscsi'] as const;
export type SmallKind = (typeof SMALL_KINDS)[number];

export interface Place {
  /** Arguments of `repository probe` and `repository create`. */
  readonly target: readonly string[];
  /** What is on it, as its own means say; absent: it has none. */
  readonly objects?: () => Promise<readonly string[]>;
  /** Where other files can be put on the same file system, where it is one. */
  readonly path?: string;
  /** What a snapshot says of itself. */
  readonly emulated: boolean;
  /** A volume can be deleted before its snapshots; otherwise they are named, and must go first. */
  readonly snapshotsOutlive: boolean;
}

export class Places {
  readonly secrets: string[] = [CHAP.password];
  readonly #stops: (() => Promise<void>)[] = [];
  readonly #places = new Map<Kind | SmallKind, Place>();
  #servers: { ganesha: Ganesha; tgtd: Tgtd; ceph: CephCluster } | undefined;

  /** Four servers that nobody here wrote start at once; what fails is told, and tried once more. */
  static async open(): Promise<Places> {
    try {
      return await Places.#open();
    } catch (error) {
      process.stderr.write(`the storage of the tests did not start, once more: ${String(error)}\n`);
      return await Places.#open();
    }
  }

  static async #open(): Promise<Places> {
    const places = new Places();
    try {
      await places.#start();
    } catch (error) {
      await places.close();
      throw error;
    }
    return places;
  }

  of(kind: Kind | SmallKind): Place {
    const place = this.#places.get(kind);
    if (place === undefined) throw new Error(`no ${kind}`);
    return place;
  }

  get servers(): { ganesha: Ganesha; tgtd: Tgtd; ceph: CephCluster } {
    if (this.#servers === undefined) throw new Error('the servers do not run');
    return this.#servers;
  }

  async close(): Promise<void> {
    for (const stop of this.#stops.splice(0).reverse()) await stop();
  }

  /** tgtd forgets everything when it dies. */
  async bootTgtd(): Promise<void> {
    const { tgtd } = this.servers;
    await tgtd.boot();
    await fillTgtd(tgtd, {});
  }

  async #start(): Promise<void> {
    const { path, remove } = await temporaryFolder('storage');
    this.#stops.push(remove);
    const started = await Promise.allSettled([
      this.#keep(Ganesha.start()),
      this.#keep(Tgtd.start()),
      this.#keep(CephCluster.start({ manager: true })),
      this.#keep(Tgtd.start()),
    ]);
    for (const one of started) if (one.status === 'rejected') throw one.reason;
    const [ganesha, tgtd, ceph, tgt] = started.map((one) =>
      one.status === 'fulfilled' ? one.value : undefined,
    ) as [Ganesha, Tgtd, CephCluster, Tgtd];
    this.#servers = { ganesha, tgtd, ceph };
    await fillTgtd(tgtd, { size: LUN_BYTES, smallSize: SMALL_LUN_BYTES });
    await this.#locals(path);
    this.#nfs(ganesha);
    await this.#luns(path, tgtd);
    const { folder, ipcSocket, controlPort } = tgt;
    this.#set('tgt', true, [
      ...['--kind', 'tgt', '--set', `folder=${join(folder, 'luns')}`, '--set', PATIENCE],
      ...['--set', `ipcSocket=${ipcSocket}`, '--set', `controlPort=${controlPort}`],
    ]);
    this.#list('tgt', () => readdir(join(folder, 'luns')));
    this.#set('simulated', false, ['--kind', 'simulated', '--set', 'target=storage']);
    const key = await ceph.key();
    await writeFile(join(path, 'key'), key, { mode: 0o600 });
    this.secrets.push(key);
    this.#set('ceph', false, [
      ...['--kind', 'ceph', '--set', `monHosts=${ceph.monHost}`, '--set', 'pool=rbd'],
      ...['--set', 'user=admin', '--secret-file', `key=${join(path, 'key')}`, '--set', PATIENCE],
    ]);
    this.#list('ceph', async () => (await ceph.rbd('ls')).split('\n'));
  }

  async #keep<T extends { stop(): Promise<void> }>(starting: Promise<T>): Promise<T> {
    const server = await starting;
    this.#stops.push(() => server.stop());
    return server;
  }

  async #locals(path: string): Promise<void> {
    for (const [kind, type, size] of [
      ['ext4', 'ext4', undefined],
      ['btrfs', 'btrfs', undefined],
      ['small-ext4', 'ext4', 32 * MIB],
    ] as const) {
      const mounted = await loopFileSystem(type, size);
      this.#stops.push(() => mounted.remove());
      const folder = join(mounted.path, 'volumes');
      await mkdir(folder);
      this.#set(
        kind,
        kind !== 'btrfs',
        ['--kind', 'local', '--set', `path=${folder}`],
        mounted.path,
      );
      this.#list(kind, () => readdir(folder));
    }
    await writeFile(join(path, 'chap'), CHAP.password, { mode: 0o600 });
  }

  #nfs(ganesha: Ganesha): void {
    for (const [kind, path] of [
      ['nfs', ganesha.path()],
      ['small-nfs', ganesha.path('small')],
    ] as const) {
      this.#set(
        kind,
        true,
        [
          ...['--kind', 'nfs', '--set', `server=${ganesha.server}`, '--set', `serverpath=${path}`],
          ...['--set', `port=${ganesha.port}`, '--set', `mountPort=${ganesha.mountPort}`],
          ...['--set', PATIENCE],
        ],
        path,
      );
      this.#list(kind, () => readdir(path));
    }
  }

  async #luns(path: string, tgtd: Tgtd): Promise<void> {
    for (const [kind, lun] of [
      ['iscsi', 1],
      ['small-iscsi', 2],
    ] as const) {
      this.#set(kind, true, [
        ...['--kind', 'iscsi', '--set', `target=${tgtd.portal}`, '--set', `targetIQN=${IQN}`],
        ...['--set', `LUNid=${lun}`, '--set', PATIENCE, '--set', `chapuser=${CHAP.user}`],
        ...['--secret-file', `chappassword=${join(path, 'chap')}`],
      ]);
    }
  }

  #list(kind: Kind | SmallKind, list: () => Promise<string[]>): void {
    const objects = async (): Promise<readonly string[]> => (await list()).sort();
    this.#places.set(kind, { ...this.of(kind), objects });
  }

  #set(kind: Kind | SmallKind, emulated: boolean, target: readonly string[], path?: string): void {
    const where = path === undefined ? {} : { path };
    this.#places.set(kind, { ...where, target, emulated, snapshotsOutlive: kind !== 'ceph' });
  }
}

/** @param sizes none: the files are there */
async function fillTgtd(
  tgtd: Tgtd,
  { size, smallSize }: { size?: number; smallSize?: number },
): Promise<void> {
  await tgtd.target(1, IQN);
  await tgtd.account(CHAP.user, CHAP.password);
  await tgtd.bindAccount(1, CHAP.user);
  await tgtd.lun(1, 1, 'storage', size === undefined ? {} : { size });
  await tgtd.lun(1, 2, 'small', smallSize === undefined ? {} : { size: smallSize });
  await tgtd.open(1);
}
