/**
 * The life of a version with real machines: a maintenance machine installs a package into version 2, a test
 * machine boots it while a production machine still runs version 1; released, production has it after a
 * reboot; reverted, it has it no more. The package comes to the machine as its personality data.
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { FULL_DHCP } from '../../src/service/demo/index.ts';
import { describeWith } from '../support/requires.ts';
import { BOOT_MS, BOOT_NEEDS, type GuestPlan } from './support/boot-lab.ts';
import { buildPackage } from './support/debian-package.ts';
import { sharedLab } from './support/shared-lab.ts';

const EDITOR: GuestPlan = {
  name: 'editor',
  mac: '52:54:00:00:0c:01',
  firmware: 'bios',
  cache: 'server',
};
const WORKER: GuestPlan = {
  name: 'worker',
  mac: '52:54:00:00:0c:02',
  firmware: 'bios',
  cache: 'server',
};

/** Prints what the package is, or that there is none. */
const LOOK = 'dpkg-query -W rootcast-proof 2>/dev/null; rootcast-proof 2>/dev/null; true';
const INSTALLED = 'rootcast-proof\t1.0\nversion two';

/** As a machine learns what makes it different: from the address on its kernel command line. */
const INSTALL = [
  'url=$(tr " " "\\n" < /proc/cmdline | sed -n "s/^rootcast.personality=//p")',
  'busybox wget -qO /tmp/personality "$url&format=env"',
  '. /tmp/personality',
  'echo "$ROOTCAST_PACKAGE" | base64 -d > /tmp/proof.deb',
  'dpkg -i /tmp/proof.deb > /tmp/dpkg.log 2>&1 && echo "installed for $ROOTCAST_OWNER"',
].join(' && ');

/** A Debian package with one program in it, in base64. */
async function packageAsText(): Promise<string> {
  const folder = mkdtempSync(join(tmpdir(), 'rootcast-package-'));
  const file = join(folder, 'proof.deb');
  const control = [
    ...['Package: rootcast-proof', 'Version: 1.0', 'Architecture: all'],
    ...['Maintainer: nobody <nobody@example.org>', 'Description: proof that it was installed'],
  ];
  const content = '#!/bin/sh\necho version two\n';
  await buildPackage(file, control, { path: 'usr/bin/rootcast-proof', content });
  const text = readFileSync(file).toString('base64');
  rmSync(folder, { recursive: true });
  return text;
}

describeWith(BOOT_NEEDS, 'versions with real machines', () => {
  const running = sharedLab({
    serve: FULL_DHCP,
    setUp: async (lab) => {
      for (const plan of [EDITOR, WORKER]) await lab.add(plan);
      const file = join(lab.folder, 'personality.json');
      writeFileSync(file, JSON.stringify({ PACKAGE: await packageAsText(), OWNER: 'the editor' }));
      await lab.service.cli(['machine', 'personality', 'editor', '--file', file]);
    },
  });
  const cli = (...args: string[]): Promise<string> => running().service.cli(args);

  async function turnOff(name: string): Promise<void> {
    const guest = running().guest(name);
    guest.shell.type('systemctl poweroff\n');
    await guest.off(60_000);
    await expect
      .poll(async () => (await running().service.machine(name)).connections.length, {
        timeout: 60_000,
      })
      .toBe(0);
  }

  async function reboot(name: string): Promise<void> {
    running().guest(name).shell.type('systemctl reboot\n');
    await running().multiUser(name);
  }

  test(
    'a maintenance machine installs a package while a production machine runs version 1',
    async () => {
      await cli('machine', 'set', 'editor', '--class', 'maintenance');
      await cli('version', 'create', 'debian', '--description', 'with the proof');
      for (const plan of [EDITOR, WORKER]) await running().powerOn(plan);
      await Promise.all(['editor', 'worker'].map((name) => running().multiUser(name)));
      expect(await running().shell('worker', LOOK)).toBe('');
      expect(await running().shell('editor', LOOK)).toBe('');
      expect(await running().shell('editor', `${INSTALL}; sync`)).toBe('installed for the editor');
      const version = JSON.parse(await cli('version', 'show', 'debian', '2', '--json'));
      expect(version).toMatchObject({ state: 'maintenance', writer: 'editor', inUse: true });
      expect(version.actions.seal.possible).toBe(false);
    },
    BOOT_MS,
  );

  test(
    'sealed, it is in test: a test machine has the package, the production machine has not',
    async () => {
      await turnOff('editor');
      const sealed = JSON.parse(await cli('version', 'seal', 'debian', '2', '--json'));
      expect(sealed).toMatchObject({ number: 2, state: 'test', depth: 2, kernel: 'vmlinuz' });
      // A package of a kilobyte, the package manager's files and a boot: nothing like the image.
      expect(sealed.ownBytes).toBeLessThan(64 * 2 ** 20);
      await cli('machine', 'set', 'editor', '--class', 'test');
      await running().powerOn(EDITOR);
      await running().multiUser('editor');
      expect(await running().shell('editor', LOOK)).toBe(INSTALLED);
      expect(await running().shell('worker', LOOK)).toBe('');
      expect(await running().service.machine('worker')).toMatchObject({ version: 1 });
      expect(await running().service.machine('editor')).toMatchObject({ version: 2 });
    },
    BOOT_MS,
  );

  test(
    'released, production has it after a reboot; reverted, it has not',
    async () => {
      await cli('version', 'promote', 'debian', '2');
      expect(await running().shell('worker', LOOK)).toBe('');
      await reboot('worker');
      expect(await running().shell('worker', LOOK)).toBe(INSTALLED);
      expect(await cli('vdisk', 'verify', 'debian')).toMatch(/chunks of 2 layers are right/);
      await cli('vdisk', 'revert', 'debian');
      expect(await running().shell('worker', LOOK)).toBe(INSTALLED);
      await reboot('worker');
      expect(await running().shell('worker', LOOK)).toBe('');
      // And the chain can be merged below the machine that still runs version 2.
      const full = await cli('version', 'merge', 'debian', '2', '--mode', 'full', '--json');
      expect(JSON.parse(full)).toMatchObject({ depth: 1 });
      expect(await running().shell('editor', `echo 3 > /proc/sys/vm/drop_caches; ${LOOK}`)).toBe(
        INSTALLED,
      );
    },
    2 * BOOT_MS,
  );
});
