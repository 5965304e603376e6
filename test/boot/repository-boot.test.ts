/**
 * The same Debian image as a vDisk on NFS, on a LUN over iSCSI and in Ceph, each on a real server: a machine boots from
 * each at the same time, and reads what is in the image.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { afterAll, expect, test } from 'vitest';
import { ensureDebianImage, FULL_DHCP } from '../../src/service/demo/index.ts';
import { describeWith, program } from '../support/requires.ts';
import { BOOT_MS, BOOT_NEEDS, type BootLab, type GuestPlan } from './support/boot-lab.ts';
import { SUMS, sumsInImage } from './support/image-files.ts';
import { sharedLab } from './support/shared-lab.ts';
import type { StorageServers } from './support/storage-servers.ts';

const KINDS = ['nfs', 'iscsi', 'ceph'] as const;

const GUESTS: readonly GuestPlan[] = KINDS.map((kind, number) => ({
  ...{ name: `on-${kind}`, vdisk: `debian-${kind}`, mac: `52:54:00:00:0d:0${number + 1}` },
  ...{ firmware: 'bios', cache: 'server' },
}));

const NEEDS = [
  ...BOOT_NEEDS,
  program('tgtd', 'tgt'),
  program('ganesha.nfsd', 'nfs-ganesha'),
  program('rpcbind', 'rpcbind'),
  program('ceph-osd', 'ceph-osd'),
  program('ceph-mon', 'ceph-mon'),
  program('rbd', 'ceph-common'),
  program('qemu-nbd', 'qemu-utils'),
];

const SERVERS = new URL('./support/storage-servers.ts', import.meta.url).pathname;

describeWith(NEEDS, 'machines that boot from repositories', () => {
  let servers: ChildProcess | undefined;
  let said = '';
  async function attach(opened: BootLab, where: StorageServers): Promise<void> {
    const image = await ensureDebianImage();
    for (const kind of KINDS) {
      const settings = where[kind].flatMap((setting) => ['--set', setting]);
      const secret = kind === 'ceph' ? ['--secret-file', `key=${where.cephKey}`] : [];
      await opened.service.cli([
        ...['repository', 'create', `lab-${kind}`, '--kind', kind, ...settings, ...secret],
      ]);
      await opened.service.cli([
        ...['vdisk', 'import', image.disk, '--name', `debian-${kind}`],
        ...['--repository', `lab-${kind}`],
      ]);
    }
  }

  afterAll(async () => {
    // Their network namespace lives on as long as they do.
    if (servers?.exitCode !== null) return;
    const ended = new Promise((resolve) => servers?.once('exit', resolve));
    servers.kill('SIGTERM');
    await ended;
  }, 60_000);

  async function setUp(opened: BootLab): Promise<void> {
    const [command, ...args] = opened.namespace.inside([process.execPath, SERVERS]);
    const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'] });
    servers = child;
    const line = await new Promise<string>((resolve, reject) => {
      const hear = (bytes: Buffer): void => {
        said += bytes.toString();
        const [found] = /^\{.*\}$/m.exec(said) ?? [];
        if (found !== undefined) resolve(found);
      };
      for (const stream of [child.stdout, child.stderr]) stream.on('data', hear);
      child.once('exit', () => reject(new Error(`the storage servers left: ${said}`)));
    });
    await attach(opened, JSON.parse(line) as StorageServers);
    for (const plan of GUESTS) await opened.add(plan);
  }

  const running = sharedLab({ serve: FULL_DHCP, setUp, alsoSaid: () => said.slice(-4000) });

  test(
    'one from each comes up, and reads the files of the image',
    async () => {
      for (const plan of GUESTS) await running().powerOn(plan);
      await Promise.all(GUESTS.map(({ name }) => running().multiUser(name)));
      const image = await sumsInImage((await ensureDebianImage()).disk);
      expect(image.split('\n').length).toBeGreaterThan(500);
      for (const { name } of GUESTS) expect(await running().shell(name, 'hostname')).toBe(name);
      const read = await Promise.all(
        GUESTS.map(({ name }) => running().shell(name, `cd / && ${SUMS}`)),
      );
      for (const sums of read) expect(sums).toBe(image);
    },
    BOOT_MS,
  );
});
