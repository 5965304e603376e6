/**
 * Root over NBD for the other initramfs: a Debian image whose initramfs dracut built is imported by the
 * CLI and booted by PXE. What the command line says (src/pxe/script) is read here by dracut itself. The machine
 * writes to itself (memory, then a local disk): what does that under initramfs-tools is the same boot/lib.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { FULL_DHCP } from '../../src/service/demo/index.ts';
import { describeWith, slow } from '../support/requires.ts';
import { BOOT_MS, BOOT_NEEDS, type GuestPlan } from './support/boot-lab.ts';
import { markedDisk } from './support/local-disk.ts';
import { sharedLab } from './support/shared-lab.ts';

const MIB = 1024 * 1024;
const folder = mkdtempSync(join(tmpdir(), 'rootcast-dracut-disk-'));
const LOCAL = join(folder, 'local');

const DELTA: GuestPlan = {
  ...{ name: 'delta', mac: '52:54:00:00:0d:01', firmware: 'bios', cache: 'device-ram-overflow' },
  // So little memory that what is written here does not fit.
  kernelArguments: 'rootcast.cache.ram=5',
  disks: [LOCAL],
};
/** Asks for a disk that it has not: the server keeps its writes. */
const ECHO: GuestPlan = {
  ...{ name: 'echo', mac: '52:54:00:00:0d:02', firmware: 'bios', cache: 'device-disk' },
};

describeWith(BOOT_NEEDS, 'a machine whose initramfs is of dracut', () => {
  afterAll(() => rmSync(folder, { recursive: true, force: true }));
  const running = sharedLab({
    serve: FULL_DHCP,
    image: { initramfs: 'dracut' },
    setUp: async (lab) => {
      await markedDisk(LOCAL);
      await lab.add(DELTA);
      await lab.service.cli(['machine', 'personality', 'delta', '--set', 'seat=4']);
    },
  });

  test(
    'comes up with its root on its own export, and keeps its address',
    async () => {
      const { service } = running();
      const shown = await service.cli(['vdisk', 'show', 'debian', '--json']);
      expect(JSON.parse(shown)).toMatchObject({ versions: [{ initramfs: 'dracut' }] });

      await running().powerOn(DELTA);
      await running().multiUser('delta');
      const state = await running().shell(
        'delta',
        'systemctl is-active multi-user.target; hostname; findmnt -no SOURCE /; systemctl --failed -q',
      );
      expect(state).toBe('active\ndelta\n/dev/mapper/rootcast-p1');
      // As dracut reads it: it knows `nbdroot=` of initramfs-tools from nowhere.
      const commandLine = await running().shell('delta', 'cat /proc/cmdline');
      expect(commandLine).toContain(
        'root=/dev/nbd0p1 netroot=nbd:10.77.0.1:10809:ext4::-N,machine/delta ',
      );
      // Nobody renews the lease once the initramfs is left; the root must not end with it.
      const address = await running().shell('delta', 'ip -o -4 addr show scope global');
      expect(address).toContain('valid_lft forever preferred_lft forever');
      expect(address).not.toContain('dynamic');

      const { state: seen, lastBoot } = await service.machine('delta');
      expect([seen, lastBoot?.ended]).toEqual(['running', 'ready']);
      // The last of its own accord: what the initramfs tells, and the image.
      expect(lastBoot?.timeline.map(({ stage }) => stage)).toEqual(
        expect.arrayContaining(['first-block', 'root-mounted', 'ready']),
      );
    },
    BOOT_MS,
  );

  test('writes to its memory and then to its disk, and the server keeps nothing', async () => {
    const { service } = running();
    const before = await running().shell('delta', "awk '{print $7}' /sys/block/vda/stat");
    await running().shell(
      'delta',
      'head -c 50000000 /dev/urandom > /root/mark; sync; sha256sum /root/mark > /root/sum; echo 3 > /proc/sys/vm/drop_caches; sha256sum -c /root/sum',
    );
    const sectors = await running().shell('delta', "awk '{print $7}' /sys/block/vda/stat");
    expect(Number(sectors)).toBeGreaterThan(Number(before) + (8 * MIB) / 512);
    const view = await service.machine('delta');
    const mode = { asked: 'device-ram-overflow', got: 'device-ram-overflow', reason: '' };
    expect(view.deviceCache).toMatchObject(mode);
    expect([view.bytesWritten, view.cache.usedBytes]).toEqual([0, 0]);
  }, 120_000);

  test('is itself: name, machine-id, SSH host keys, personality', async () => {
    const { sshHostKeys } = await running().service.machine('delta');
    const said = await running().shell(
      'delta',
      `cat /etc/hostname /etc/machine-id
for kind in ed25519 ecdsa; do ssh-keygen -y -f /etc/ssh/ssh_host_"$kind"_key | cut -d" " -f1,2; done
cat /etc/rootcast/personality.json; systemd-machine-id-setup --print`,
    );
    const [name, machineId, ed25519, ecdsa, personality, ofSystemd] = said.split('\n');
    expect(name).toBe('delta');
    expect(machineId).toMatch(/^[0-9a-f]{32}$/);
    expect(ofSystemd).toBe(machineId);
    const known = sshHostKeys.map((line) => line.split(' ').slice(0, 2).join(' '));
    expect([ed25519, ecdsa]).toEqual(known);
    expect(personality).toBe('{"seat":"4"}');
  }, 60_000);

  describeWith([slow()], 'beside another of the same image', () => {
    test(
      'which asks for a disk that it has not: the server keeps its writes, and it is another machine',
      async () => {
        await running().add(ECHO);
        await running().powerOn(ECHO);
        await running().multiUser('echo');
        const ids = await Promise.all(
          ['delta', 'echo'].map((name) => running().shell(name, 'cat /etc/machine-id')),
        );
        expect(new Set(ids).size).toBe(2);
        await running().shell('echo', 'echo echo > /root/mark && sync');
        const view = await running().service.machine('echo');
        expect(view.deviceCache).toMatchObject({
          ...{ asked: 'device-disk', got: 'server' },
          reason: expect.stringContaining('no disk is marked'),
        });
        expect(view.bytesWritten).toBeGreaterThan(0);
      },
      BOOT_MS,
    );
  });

  test('turns itself off', async () => {
    running().guest('delta').shell.type('systemctl poweroff\n');
    await running().guest('delta').off(60_000);
  }, 90_000);
});
