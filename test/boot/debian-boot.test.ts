/**
 * The main job, with nothing simulated: a Debian image is imported by the CLI; two BIOS machines (iPXE
 * in the card's ROM) and a UEFI machine (OVMF) boot from it at the same time over Rootcast's own DHCP,
 * TFTP, HTTP and NBD, all the way to multi-user. One run serves all the tests of this file, in order.
 */
import { expect, test } from 'vitest';
import { FULL_DHCP } from '../../src/service/demo/index.ts';
import { describeWith } from '../support/requires.ts';
import { BOOT_MS, BOOT_NEEDS, type GuestPlan } from './support/boot-lab.ts';
import { sharedLab } from './support/shared-lab.ts';

const ALPHA: GuestPlan = {
  name: 'alpha',
  mac: '52:54:00:00:0b:01',
  firmware: 'bios',
  cache: 'server',
};
const BETA: GuestPlan = {
  name: 'beta',
  mac: '52:54:00:00:0b:02',
  firmware: 'bios',
  cache: 'server-persistent',
};
const GAMMA: GuestPlan = {
  name: 'gamma',
  mac: '52:54:00:00:0b:03',
  firmware: 'uefi',
  cache: 'server',
};
const GUESTS = [ALPHA, BETA, GAMMA];
const NAMES = GUESTS.map(({ name }) => name);

describeWith(BOOT_NEEDS, 'machines that boot one Debian image', () => {
  const running = sharedLab({
    serve: FULL_DHCP,
    setUp: async (lab) => {
      for (const plan of GUESTS) await lab.add(plan);
    },
  });

  const onEach = <T>(work: (name: string) => Promise<T>): Promise<T[]> =>
    Promise.all(NAMES.map(work));

  test(
    'two BIOS machines and a UEFI machine come up at once',
    async () => {
      for (const plan of GUESTS) await running().powerOn(plan);
      await onEach((name) => running().multiUser(name));
      const states = await onEach((name) =>
        running().shell(
          name,
          'systemctl is-active multi-user.target; hostname; findmnt -no SOURCE /',
        ),
      );
      expect(states).toEqual(NAMES.map((name) => `active\n${name}\n/dev/mapper/rootcast-p1`));
      // BIOS and UEFI are what they claim to be.
      const firmware = await onEach((name) =>
        running().shell(name, 'if [ -d /sys/firmware/efi ]; then echo uefi; else echo bios; fi'),
      );
      expect(firmware).toEqual(GUESTS.map((plan) => plan.firmware));
    },
    BOOT_MS,
  );

  test('each writes its own file and does not see the others', async () => {
    await onEach((name) => running().shell(name, `echo ${name} > /root/mark-${name} && sync`));
    await onEach((name) =>
      running().shell(
        name,
        'head -c 3000000 /dev/urandom > /root/bulk && sha256sum /root/bulk > /root/sum && sync',
      ),
    );
    // From the disk, not from the page cache.
    const seen = await onEach((name) =>
      running().shell(
        name,
        'echo 3 > /proc/sys/vm/drop_caches; cat /root/mark-*; sha256sum -c /root/sum',
      ),
    );
    expect(seen).toEqual(NAMES.map((name) => `${name}\n/root/bulk: OK`));
    const sums = await onEach((name) => running().shell(name, 'cut -c1-64 /root/sum'));
    expect(new Set(sums).size).toBe(NAMES.length);
  });

  test('the machines page tells the truth', async () => {
    const views = await onEach((name) => running().service.machine(name));
    for (const view of views) {
      expect(view.state).toBe('running');
      expect(view.version).toBe(1);
      expect(view.connections).toHaveLength(1);
      // The kernel, systemd and our reads: tens of megabytes; nothing near the gigabyte of the disk.
      expect(view.bytesRead).toBeGreaterThan(10 * 2 ** 20);
      expect(view.bytesRead).toBeLessThan(256 * 2 ** 20);
      expect(view.bytesWritten).toBeGreaterThan(3_000_000);
      expect(view.cache.usedBytes).toBeGreaterThan(3_000_000);
      expect(view.cache.usedBytes).toBeLessThan(128 * 2 ** 20);
      expect(view.lastBoot?.ended).toBe('ready');
      expect(view.lastBoot?.durationMs).toBeGreaterThan(1_000);
      // A ROM that is iPXE already asks for no loader.
      const stages = view.lastBoot?.timeline.map(({ stage }) => stage) ?? [];
      expect(stages.filter((stage) => stage !== 'loader')).toEqual([
        ...['dhcp', 'script', 'kernel', 'initrd', 'first-block', 'root-mounted', 'ready'],
      ]);
    }
    const shown = await running().service.cli(['machine', 'show', 'alpha', '--json']);
    expect(JSON.parse(shown)).toMatchObject({ name: 'alpha', state: 'running' });
    const vdisk = await running().service.cli(['vdisk', 'show', 'debian', '--json']);
    expect(JSON.parse(vdisk)).toMatchObject({ machines: 3, connections: 3 });
  });

  test(
    'after a reboot a server machine is clean, a server-persistent one is not, the third notices nothing',
    async () => {
      for (const name of ['alpha', 'beta']) running().guest(name).shell.type('systemctl reboot\n');
      await Promise.all(['alpha', 'beta'].map((name) => running().multiUser(name)));
      const list = 'ls -1 /root; [ ! -e /root/sum ] || sha256sum -c /root/sum';
      expect(await running().shell('alpha', list)).toBe('');
      expect(await running().shell('beta', list)).toBe('bulk\nmark-beta\nsum\n/root/bulk: OK');
      expect(await running().shell('gamma', list)).toBe('bulk\nmark-gamma\nsum\n/root/bulk: OK');
      const alpha = await running().service.machine('alpha');
      const beta = await running().service.machine('beta');
      expect(alpha).toMatchObject({ state: 'running', lastBoot: { ended: 'ready' } });
      expect(beta).toMatchObject({ state: 'running', lastBoot: { ended: 'ready' } });
      expect(beta.cache.usedBytes).toBeGreaterThan(3_000_000);
    },
    BOOT_MS,
  );

  test('a machine that turns itself off is off', async () => {
    const gamma = running().guest('gamma');
    gamma.shell.type('systemctl poweroff\n');
    await gamma.off(60_000);
    // Nothing says goodbye for a root file system: the server's TCP keep-alive finds out (20 s + 10 s).
    await expect
      .poll(async () => (await running().service.machine('gamma')).state, {
        timeout: 120_000,
        interval: 1_000,
      })
      .toBe('off');
  });

  test('the service leaves in good order while machines run', async () => {
    expect(await running().close()).toBe(0);
  });
});
