/**
 * One Debian image, three machines at once, each with its write cache on itself: in memory, on a local disk, in memory
 * and then on a disk. They come up as three different machines, fill their caches, and say so.
 */
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { FULL_DHCP } from '../../src/service/demo/index.ts';
import { describeWith, slow } from '../support/requires.ts';
import { suiteFolder } from '../support/suite-folder.ts';
import { until } from '../support/until.ts';
import { BOOT_NEEDS, type GuestPlan } from './support/boot-lab.ts';
import { markedDisk } from './support/local-disk.ts';
import { sharedLab } from './support/shared-lab.ts';

/** Three at once take a minute and a half alone; this is for a machine that has much other work. */
const UP_MS = 1_200_000;
const FILL_MS = 300_000;
const folder = suiteFolder('cache-disks');

// So little memory that it is full soon; and a disk that has no room for much more.
const RAM = 'rootcast.cache.ram=20';
const GUESTS: readonly GuestPlan[] = [
  {
    ...{ name: 'memory', mac: '52:54:00:00:0c:01', firmware: 'bios', cache: 'device-ram' },
    kernelArguments: RAM,
  },
  {
    ...{ name: 'disk', mac: '52:54:00:00:0c:02', firmware: 'bios', cache: 'device-disk' },
    disks: [join(folder, 'disk')],
  },
  {
    ...{ name: 'both', mac: '52:54:00:00:0c:03', firmware: 'bios', cache: 'device-ram-overflow' },
    kernelArguments: RAM,
    disks: [join(folder, 'both')],
  },
];
const NAMES = GUESTS.map(({ name }) => name);

describeWith([slow(), ...BOOT_NEEDS], 'machines with a write cache of their own', () => {
  const running = sharedLab({
    serve: FULL_DHCP,
    openMs: 1_200_000,
    setUp: async (lab) => {
      for (const name of ['disk', 'both']) await markedDisk(join(folder, name));
      for (const plan of GUESTS) await lab.add(plan);
      await lab.service.cli(['machine', 'personality', 'memory', '--set', 'seat=4']);
    },
  });
  const onEach = <T>(work: (name: string) => Promise<T>): Promise<T[]> =>
    Promise.all(NAMES.map(work));
  const shell = (command: string): Promise<string[]> =>
    onEach((name) => running().guest(name).shell.run(command, FILL_MS));

  test(
    'come up at once, each in the mode that it was to have',
    async () => {
      for (const plan of GUESTS) await running().powerOn(plan);
      await onEach((name) =>
        running()
          .guest(name)
          .console.waitFor(/ROOTCAST-READY/, UP_MS),
      );
      expect(
        await shell('systemctl is-active multi-user.target; findmnt -no SOURCE,FSTYPE /'),
      ).toEqual(NAMES.map(() => 'active\n/dev/mapper/rootcast-p1 ext4'));
      for (const [at, view] of (
        await onEach((name) => running().service.machine(name))
      ).entries()) {
        const asked = GUESTS[at]?.cache;
        expect(view.deviceCache).toMatchObject({ asked, got: asked, state: 'good', reason: '' });
        expect(view.cache.usedBytes).toBe(0);
        expect(view.bytesWritten).toBe(0);
      }
    },
    UP_MS,
  );

  test('are three machines, whose keys the server knows', async () => {
    expect(await shell('cat /etc/hostname; hostname')).toEqual(
      NAMES.map((name) => `${name}\n${name}`),
    );
    const ids = await shell('cat /etc/machine-id');
    expect(new Set(ids).size).toBe(NAMES.length);
    expect(ids.every((id) => /^[0-9a-f]{32}$/.test(id))).toBe(true);
    // OpenSSH reads the private keys, and finds the public ones that the server shows.
    const keys = await shell(
      'for kind in ed25519 ecdsa; do ssh-keygen -y -f /etc/ssh/ssh_host_"$kind"_key | cut -d" " -f1,2; done',
    );
    expect(new Set(keys).size).toBe(NAMES.length);
    const known = await onEach(async (name) => (await running().service.machine(name)).sshHostKeys);
    expect(keys).toEqual(
      known.map((lines) => lines.map((line) => line.split(' ').slice(0, 2).join(' ')).join('\n')),
    );
    const [personality] = await shell('cat /etc/rootcast/personality.json');
    expect(personality).toBe('{"seat":"4"}');
  });

  test(
    'get errors when it is full, never another content, and the server is told',
    async () => {
      await shell(
        'head -c 8000000 /dev/urandom > /root/kept && sha256sum /root/kept > /root/sum && sync',
      );
      // By and by: ext4 keeps what it cannot write any more, and who writes on without fsync waits for it.
      const filled = await shell(
        'n=0; while dd if=/dev/urandom of=/root/bulk$n bs=1M count=8 conv=fsync 2> /dev/null; do n=$((n + 1)); done; echo error',
      );
      expect(filled).toEqual(NAMES.map(() => 'error'));
      const seen = await shell('echo 3 > /proc/sys/vm/drop_caches; sha256sum -c /root/sum');
      expect(seen).toEqual(NAMES.map(() => '/root/kept: OK'));
      for (const name of NAMES) {
        await until(
          `${name} has told`,
          async () => (await running().service.machine(name)).deviceCache?.state === 'full',
        );
        expect(running().guest(name).console.transcript).toMatch(
          /write cache .* is full: writes fail/,
        );
      }
      const events = await running().service.cli(['events', '--json']);
      for (const name of NAMES) expect(events).toContain(`the write cache on ${name} is full`);
    },
    2 * FILL_MS,
  );
});
