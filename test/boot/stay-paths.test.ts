/**
 * The disk that waits, in a guest that is only a kernel and an initramfs: a second way to the server, a way that
 * says nothing any more and delivers late, a server that says no, and a wait that ends.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, expect, onTestFailed, test } from 'vitest';
import { ensureDebianImage, type Machine } from '../../src/service/demo/index.ts';
import { describeWith, program, root } from '../support/requires.ts';
import { ServiceProcess } from '../support/service-process.ts';
import { TcpProxy } from '../support/tcp-proxy.ts';
import { until } from '../support/until.ts';
import { HOST_AS_SEEN_BY_THE_GUEST, startKernelGuest } from './support/kernel-guest.ts';
import { VerifiedSet } from './support/verified-set.ts';

const NEEDS = [
  root(),
  program('qemu-system-x86_64', 'qemu-system-x86'),
  program('mmdebstrap', 'mmdebstrap'),
  program('sfdisk', 'fdisk'),
  program('mke2fs', 'e2fsprogs'),
  program('debugfs', 'e2fsprogs'),
];

const STEP_MS = 120_000;
/** A request without an answer for so long ends its connection; and so long without a server is too long. */
const [TIMEOUT_S, WAIT_S] = [4, 20];

/** What init of initramfs-tools does up to local-top/rootcast, whose network is up already. */
const ATTACH = [
  'mkdir -p /run && mount -t tmpfs run /run',
  '/lib/systemd/systemd-udevd --daemon > /dev/null 2>&1 && udevadm trigger && udevadm settle',
  'PATH=/usr/lib/rootcast/bin:$PATH && . /usr/lib/rootcast/rootcast-attach.sh',
  'rootcast_arguments && rootcast_root && echo "$ROOTCAST_DEVICE"',
];

describeWith(NEEDS, 'a disk with two ways to its server', () => {
  const folder = mkdtempSync(join(tmpdir(), 'rootcast-paths-'));
  let guest: Machine;
  let service: ServiceProcess;
  let first: TcpProxy;
  let second: TcpProxy;
  let set: VerifiedSet;

  beforeAll(async () => {
    const image = await ensureDebianImage();
    service = await ServiceProcess.start({ arguments: ['--workers', '2'] });
    await service.json('vdisk', 'import', image.disk, '--name', 'base');
    const how = ['--vdisk', 'base', '--cache', 'server-persistent'];
    await service.json('machine', 'add', 'two', '--mac', '52:54:00:4e:42:44', ...how);
    const target = { host: '127.0.0.1', port: service.nbdPort };
    first = await TcpProxy.start(target);
    second = await TcpProxy.start(target);
    const servers = [first, second].map(({ port }) => `${HOST_AS_SEEN_BY_THE_GUEST}:${port}`);
    guest = await startKernelGuest(image, folder, {
      programs: [],
      commandLine: [
        `rootcast.server=${servers.join(',')} rootcast.export=machine/two root=/dev/nbd0p1`,
        `rootcast.timeout=${TIMEOUT_S} rootcast.wait=${WAIT_S}`,
      ],
    });
  }, 900_000);

  beforeEach(() => {
    onTestFailed(() => console.error(guest?.console.transcript.slice(-6_000)));
  });

  afterAll(async () => {
    await guest?.kill();
    await Promise.all([first?.stop(), second?.stop()]);
    await service?.remove();
    rmSync(folder, { recursive: true, force: true });
  });

  const shell = (command: string): Promise<string> => guest.shell.run(command, STEP_MS);
  const path = async (): Promise<string> =>
    (await shell('cat /run/rootcast/path')).split(' ')[0] ?? '';
  const by = (proxy: TcpProxy): string => `${HOST_AS_SEEN_BY_THE_GUEST}:${proxy.port}`;

  test(
    'is attached by the first',
    async () => {
      // udev may say that it starts.
      expect(await shell(ATTACH.join(' && '))).toMatch(/^\/dev\/mapper\/rootcast-p1$/m);
      expect(await path()).toBe(by(first));
      await shell('mount -t ext4 /dev/mapper/rootcast-p1 /mnt');
      set = await VerifiedSet.start(guest.shell, '/mnt/set');
    },
    STEP_MS * 2,
  );

  test(
    'goes on by the second when the first is cut',
    async () => {
      first.cut();
      await set.advance(2);
      expect(await path()).toBe(by(second));
      await set.isWhole();
    },
    STEP_MS * 2,
  );

  test(
    'goes back to the first when the second says nothing any more, and what it kept is not executed',
    async () => {
      first.mend();
      second.stall();
      await set.advance(2);
      expect(await path()).toBe(by(first));
      second.release();
      await set.advance(4);
      await set.isWhole();
    },
    STEP_MS * 2,
  );

  test(
    'waits also while nbd-client is kept from saying that its connection is lost',
    async () => {
      await shell('cat /sys/block/nbd*/pid > /tmp/client');
      // The kernel ends the connection of one that is stopped; to end itself it would have to run.
      await shell('kill -STOP $(cat /tmp/client)');
      await shell(
        '(dd if=/dev/mapper/rootcast-p1 of=/dev/null bs=1M count=1 skip=310 2> /dev/null; echo code $? > /tmp/read) & sleep 4',
      );
      expect(await shell('cat /tmp/read 2> /dev/null || echo it waits')).toBe('it waits');
      await shell('kill -CONT $(cat /tmp/client)');
      await until('the read has ended', async () =>
        (await shell('cat /tmp/read 2> /dev/null; echo')).includes('code'),
      );
      expect(await shell('cat /tmp/read')).toBe('code 0');
      await set.advance(2);
      await set.isWhole();
    },
    STEP_MS * 2,
  );

  test(
    'hands the server’s own errors through: a full write cache does not wait for ever',
    async () => {
      await set.stop();
      await shell('umount /mnt');
      await service.json('machine', 'set', 'two', '--quota', '1MiB');
      const write = 'dd if=/dev/zero of=/dev/mapper/rootcast-p1 bs=64k count=8 conv=fsync seek=';
      expect(
        await shell(
          `tr '\\0' x < /dev/zero | ${write.replace('if=/dev/zero ', '')}9000; echo code $?`,
        ),
      ).toContain('code 1');
      // And nothing but them.
      const read =
        'dd if=/dev/mapper/rootcast-p1 of=/dev/null bs=1M count=8 skip=200; echo code $?';
      expect(await shell(read)).toContain('code 0');
      await service.json('machine', 'set', 'two', '--quota', 'none');
      const again = `tr '\\0' x < /dev/zero | ${write.replace('if=/dev/zero ', '')}9000; echo code $?`;
      expect(await shell(again)).toContain('code 0');
      expect(await shell('dmsetup table rootcast-disk')).toContain('queue_if_no_path');
    },
    STEP_MS * 3,
  );

  test(
    'fails requests when the wait has an end, and serves again when the server is back',
    async () => {
      const port = service.nbdPort;
      await service.kill();
      const read =
        'echo 3 > /proc/sys/vm/drop_caches; dd if=/dev/mapper/rootcast-p1 of=/dev/null bs=1M count=1 skip=300';
      expect(await shell(`${read}; echo code $?`)).toContain('code 1');
      expect(await shell('dmesg')).toContain(`rootcast: no server for ${WAIT_S} s (rootcast.wait)`);
      service = await ServiceProcess.start({ data: service.data, nbdPort: port });
      await until('the disk is back', async () =>
        (await shell(`${read}; echo code $?`)).includes('code 0'),
      );
    },
    STEP_MS * 3,
  );
});
