/**
 * The ways to boot that are neither BIOS PXE nor UEFI PXE: UEFI HTTP Boot, and Secure Boot with what
 * Debian and Microsoft have signed: firmware → shim → GRUB → kernel. Both to multi-user, side by side.
 */
import { expect, test } from 'vitest';
import { FULL_DHCP } from '../../src/service/demo/index.ts';
import { describeWith, file, slow } from '../support/requires.ts';
import { BOOT_MS, BOOT_NEEDS, type GuestPlan } from './support/boot-lab.ts';
import { sharedLab } from './support/shared-lab.ts';

const HTTP: GuestPlan = {
  name: 'http',
  mac: '52:54:00:00:0c:01',
  firmware: 'uefi-http',
  cache: 'server',
};
const SECURE: GuestPlan = {
  name: 'secure',
  mac: '52:54:00:00:0c:02',
  firmware: 'uefi-secure',
  cache: 'server',
  loader: 'grub',
};
/** Has the one slot of the collection that it and the machine with Secure Boot are of; it only asks for its boot. */
const HOLDER: GuestPlan = {
  name: 'holder',
  mac: '52:54:00:00:0c:04',
  firmware: 'bios',
  cache: 'server',
};
/** Secure Boot is on and nobody has told us. */
const REFUSING: GuestPlan = {
  name: 'refusing',
  mac: '52:54:00:00:0c:03',
  firmware: 'uefi-secure',
  cache: 'server',
};

const SECURE_BOOT = 'SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c';

const NEEDS = [
  slow(),
  ...BOOT_NEEDS,
  file('/usr/share/OVMF/OVMF_CODE_4M.ms.fd', 'ovmf'),
  file('/usr/lib/shim/shimx64.efi.signed', 'shim-signed'),
  file('/usr/lib/grub/x86_64-efi-signed/grubnetx64.efi.signed', 'grub-efi-amd64-signed'),
];

describeWith(NEEDS, 'other ways to boot', () => {
  const running = sharedLab({
    serve: FULL_DHCP,
    setUp: async (lab) => {
      for (const plan of [HTTP, SECURE, REFUSING, HOLDER]) await lab.add(plan);
      await lab.service.cli(['collection', 'add', 'one-by-one']);
      await lab.service.cli(['collection', 'assign', 'one-by-one', 'secure', 'holder']);
      await lab.service.cli(['boots', 'rule', '--collection', 'one-by-one', '--most', '1']);
      expect(await lab.askForBoot(HOLDER)).toMatch(/^kernel /m);
      for (const plan of [HTTP, SECURE, REFUSING]) await lab.powerOn(plan);
    },
  });

  test(
    'firmware with Secure Boot refuses iPXE, which nobody has signed',
    async () => {
      await running()
        .guest('refusing')
        .console.waitFor(/Access Denied|Security Violation/, BOOT_MS);
      const { lastBoot } = await running().service.machine('refusing');
      expect(lastBoot).toBeNull();
      await running().guest('refusing').kill();
    },
    BOOT_MS,
  );

  test(
    'a machine with Secure Boot waits at GRUB until it may boot, and comes up by shim and GRUB, in one boot',
    async () => {
      const { console } = running().guest('secure');
      await console.waitFor(/this one is number 1 of 1 that\s+wait/, BOOT_MS);
      await running().service.cli(['machine', 'delete', 'holder']);
      await running().multiUser('secure');
      const shell = (command: string): Promise<string> => running().shell('secure', command);
      // Four bytes of attributes, then the value.
      expect(
        await shell(`od -An -tu1 -j4 /sys/firmware/efi/efivars/${SECURE_BOOT} | tr -d ' '`),
      ).toBe('1');
      expect(await shell('grep -o "\\[[a-z]*\\]" /sys/kernel/security/lockdown')).toBe(
        '[integrity]',
      );
      expect(await shell('hostname; findmnt -no SOURCE /')).toBe('secure\n/dev/mapper/rootcast-p1');
      const { lastBoot } = await running().service.machine('secure');
      expect(lastBoot?.ended).toBe('ready');
      const stages = lastBoot?.timeline.map(({ stage }) => stage) ?? [];
      const expected = ['queued', 'admitted', 'script', 'kernel', 'initrd', 'first-block', 'ready'];
      expect(stages.filter((stage) => expected.includes(stage))).toEqual(expected);
      const events = await running().service.get<{ readonly items: readonly { kind: string }[] }>(
        '/events?subject=machine%2Fsecure',
      );
      expect(events.items.filter(({ kind }) => kind === 'boot.started')).toHaveLength(1);
    },
    BOOT_MS,
  );

  test(
    'UEFI HTTP Boot comes up, and asks for nothing by TFTP',
    async () => {
      await running().multiUser('http');
      expect(await running().shell('http', 'hostname; findmnt -no SOURCE /')).toBe(
        'http\n/dev/mapper/rootcast-p1',
      );
      const address = await running().shell('http', 'ip -4 -o address show scope global');
      const [, ours = ''] = / (10\.77\.0\.\d+)\/24 /.exec(address) ?? [];
      expect(ours).not.toBe('');
      const { output } = running().service;
      expect(output).toContain(`"type":"loader-served","address":"${ours}","file":"ipxe.efi"`);
      expect(output).not.toMatch(new RegExp(`"type":"tftp-[a-z]+","address":"${ours}"`));
    },
    BOOT_MS,
  );
});
