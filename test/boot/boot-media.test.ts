/**
 * Machines that boot from a medium because their network's DHCP cannot be touched: dnsmasq gives addresses and
 * nothing else, we answer no DHCP at all. A BIOS machine without any network boot, a UEFI machine, and one
 * with Secure Boot that has no DHCP either, from USB.
 */
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { NetworkNamespace, SERVER_ADDRESS } from '../../src/service/demo/index.ts';
import { describeWith, file, program, slow } from '../support/requires.ts';
import { BOOT_MS, BOOT_NEEDS, type GuestPlan } from './support/boot-lab.ts';
import { sharedLab } from './support/shared-lab.ts';

const OTHER_SERVER = '10.77.0.2';
const NO_DHCP = ['--pxe-address', SERVER_ADDRESS, '--pxe-dhcp-mode', 'off'];
const STATIC_ADDRESS = '10.77.0.33';

const BIOS = { name: 'disc-bios', mac: '52:54:00:00:0e:01', firmware: 'bios' } as const;
const UEFI = { name: 'disc-uefi', mac: '52:54:00:00:0e:02', firmware: 'uefi' } as const;
const STICK = { name: 'stick', mac: '52:54:00:00:0e:03', firmware: 'uefi-secure' } as const;

const NEEDS = [
  slow(),
  ...BOOT_NEEDS,
  program('dnsmasq', 'dnsmasq-base'),
  program('xorriso', 'xorriso'),
  program('mcopy', 'mtools'),
  file('/usr/sbin/mkfs.vfat', 'dosfstools'),
  file('/usr/lib/ISOLINUX/isolinux.bin', 'isolinux'),
  file('/usr/lib/syslinux/modules/bios/ldlinux.c32', 'syslinux-common'),
  file('/usr/share/OVMF/OVMF_CODE_4M.ms.fd', 'ovmf'),
  file('/usr/lib/shim/shimx64.efi.signed', 'shim-signed'),
  file('/usr/lib/grub/x86_64-efi-signed/grubnetx64.efi.signed', 'grub-efi-amd64-signed'),
];

describeWith(NEEDS, 'boot media', () => {
  let other: NetworkNamespace | undefined;
  let otherSays = () => '';

  afterAll(() => other?.close(), 60_000);
  const running = sharedLab({
    serve: NO_DHCP,
    alsoSaid: () => `--- dnsmasq ---\n${otherSays()}`,
    setUp: async (lab) => {
      other = await NetworkNamespace.create(OTHER_SERVER);
      await lab.namespace.connect(other);
      const dnsmasq = other.start([
        ...(['dnsmasq', '--no-daemon', '--conf-file=/dev/null', '--port=0'] as const),
        ...['--user=root', '--interface=boot0', '--no-ping', '--leasefile-ro', '--log-dhcp'],
        '--dhcp-range=10.77.0.50,10.77.0.90,255.255.255.0',
        // Not even an address for the one that has its own.
        `--dhcp-host=${STICK.mac},ignore`,
      ]);
      otherSays = () => dnsmasq.output;
      const disc = join(lab.folder, 'disc.iso');
      await lab.service.cli(['boot-media', 'create', '--out', disc]);
      const stick = join(lab.folder, 'stick.iso');
      await lab.service.cli([
        ...['boot-media', 'create', '--out', stick, '--address', `${STATIC_ADDRESS}/24`],
        ...['--boot-server', SERVER_ADDRESS],
      ]);
      const cdrom = { path: disc, as: 'cdrom', boots: 'first' } as const;
      const plans: readonly GuestPlan[] = [
        { ...BIOS, cache: 'server', drive: cdrom, noNetworkBoot: true },
        { ...UEFI, cache: 'server', drive: cdrom },
        { ...STICK, cache: 'server', drive: { path: stick, as: 'usb', boots: 'first' } },
      ];
      for (const plan of plans) {
        await lab.add(plan);
        await lab.powerOn(plan);
      }
    },
  });

  test.each([BIOS, UEFI])(
    '$name comes up from one disc, with an address and no word of booting from DHCP',
    async ({ name, firmware }) => {
      await running().multiUser(name);
      const shell = (command: string): Promise<string> => running().shell(name, command);
      expect(await shell('hostname; findmnt -no SOURCE /')).toBe(
        `${name}\n/dev/mapper/rootcast-p1`,
      );
      expect(await shell('[ -d /sys/firmware/efi ] && echo uefi || echo bios')).toBe(firmware);
      expect(await shell('ip -4 -o address show scope global')).toMatch(
        / 10\.77\.0\.(5\d|6\d|7\d|8\d|90)\/24 /,
      );
      expect(otherSays()).not.toMatch(/sent size: .* option: (66|67) /);
    },
    BOOT_MS,
  );

  test(
    'a USB stick brings the address of its machine, where nobody answers DHCP',
    async () => {
      await running().stage(STICK.name, 'first-block');
      const { connections } = await running().service.machine(STICK.name);
      expect(connections[0]?.address).toMatch(new RegExp(`^${STATIC_ADDRESS}\\b`));
    },
    BOOT_MS,
  );
});
