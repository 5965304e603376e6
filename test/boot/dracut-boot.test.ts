/**
 * Root over NBD for the other initramfs: a Debian image whose initramfs dracut built is imported by the
 * CLI and booted by PXE. What the command line says (src/pxe/script) is read here by dracut itself.
 */
import { afterAll, beforeAll, beforeEach, expect, onTestFailed, test } from 'vitest';
import { FULL_DHCP } from '../../src/service/demo/index.ts';
import { describeWith } from '../support/requires.ts';
import { BOOT_MS, BOOT_NEEDS, BootLab, type GuestPlan } from './support/boot-lab.ts';

const DELTA: GuestPlan = {
  name: 'delta',
  mac: '52:54:00:00:0d:01',
  firmware: 'bios',
  cache: 'server',
};

describeWith(BOOT_NEEDS, 'a machine whose initramfs is of dracut', () => {
  let lab: BootLab | undefined;
  const running = (): BootLab => {
    if (lab === undefined) throw new Error('the laboratory did not open');
    return lab;
  };

  beforeAll(async () => {
    lab = await BootLab.open(FULL_DHCP, { initramfs: 'dracut' });
    await lab.add(DELTA);
  }, 600_000);

  beforeEach(() => {
    onTestFailed(() => console.error(lab?.report()));
  });

  afterAll(async () => {
    await lab?.close();
  }, 60_000);

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

      await running().shell('delta', 'echo delta > /root/mark && sync');
      const view = await service.machine('delta');
      expect(view).toMatchObject({ state: 'running', lastBoot: { ended: 'ready' } });
      expect(view.bytesWritten).toBeGreaterThan(0);
    },
    BOOT_MS,
  );

  test('turns itself off', async () => {
    running().guest('delta').console.type('systemctl poweroff\n');
    await running().guest('delta').off(60_000);
  }, 90_000);
});
