/**
 * A machine on another network, whose requests dhcrelay passes on (with option 82), boots from us; and machines
 * that are not to boot from the network go on with their own disks, each by what its firmware can.
 */
import { copyFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { FULL_DHCP, NetworkNamespace, SERVER_ADDRESS } from '../../src/service/demo/index.ts';
import { describeWith, file, program, slow } from '../support/requires.ts';
import { BOOT_MS, BOOT_NEEDS, type GuestPlan } from './support/boot-lab.ts';
import { LOCAL_DISK_SAYS, localDisk } from './support/local-disk.ts';
import { sharedLab } from './support/shared-lab.ts';

const ROUTER = '10.78.0.1';
const ROUTER_HERE = '10.77.0.3';
const DHCP = [...FULL_DHCP, '--pxe-dhcp-subnets', `10.78.0.0/24=10.78.0.50-10.78.0.90@${ROUTER}`];

const FAR: GuestPlan = {
  name: 'far',
  mac: '52:54:00:00:0d:01',
  firmware: 'uefi',
  cache: 'server',
};
const LOCAL = [
  { name: 'local-bios', mac: '52:54:00:00:0d:02', firmware: 'bios' },
  { name: 'local-uefi', mac: '52:54:00:00:0d:03', firmware: 'uefi' },
  { name: 'local-secure', mac: '52:54:00:00:0d:04', firmware: 'uefi-secure', loader: 'grub' },
] as const;

const NEEDS = [
  slow(),
  ...BOOT_NEEDS,
  program('dhcrelay', 'isc-dhcp-relay'),
  program('mcopy', 'mtools'),
  file('/usr/sbin/mkfs.vfat', 'dosfstools'),
  file('/usr/share/OVMF/OVMF_CODE_4M.ms.fd', 'ovmf'),
  file('/usr/lib/shim/shimx64.efi.signed', 'shim-signed'),
  file('/usr/lib/grub/x86_64-efi-signed/grubnetx64.efi.signed', 'grub-efi-amd64-signed'),
];

describeWith(NEEDS, 'relays and local disks', () => {
  let router: NetworkNamespace | undefined;
  let relaySays = () => '';

  afterAll(() => router?.close(), 60_000);
  const running = sharedLab({
    serve: DHCP,
    alsoSaid: () => `--- dhcrelay ---\n${relaySays()}`,
    setUp: async (lab) => {
      router = await NetworkNamespace.create(ROUTER);
      await lab.namespace.connectRouter(router, ROUTER_HERE, '10.78.0.0/24');
      const relay = router.start([
        ...(['dhcrelay', '-4', '-d', '-a', '-m', 'append'] as const),
        ...['-iu', 'uplink', '-id', 'boot0', SERVER_ADDRESS],
      ]);
      relaySays = () => relay.output;
      await lab.add(FAR);
      await lab.powerOn(FAR, router);
      const disk = await localDisk(lab.folder);
      for (const { name, ...hardware } of LOCAL) {
        // Each has its own: writing to a disk locks it.
        const path = join(lab.folder, `${name}.img`);
        await copyFile(disk, path);
        const drive = { path, as: 'disk', boots: 'last' } as const;
        const plan: GuestPlan = { name, cache: 'server', drive, ...hardware };
        await lab.add(plan);
        await lab.service.cli(['machine', 'set', name, '--disable']);
        await lab.powerOn(plan);
      }
    },
  });

  test.each(LOCAL)(
    '$name, which is disabled, says so and boots its own disk',
    async ({ name, mac }) => {
      const { console } = running().guest(name);
      await console.waitFor(new RegExp(`${mac}: This machine is disabled`), BOOT_MS);
      await console.waitFor(new RegExp(LOCAL_DISK_SAYS), BOOT_MS);
      expect((await running().service.machine(name)).lastBoot).toBeNull();
      await running().guest(name).kill();
    },
    BOOT_MS,
  );

  test(
    'a machine behind a relay gets an address of its network, and boots',
    async () => {
      await running().stage('far', 'first-block');
      const { lastBoot, connections } = await running().service.machine('far');
      expect(lastBoot?.timeline.map(({ stage }) => stage)).toEqual(
        expect.arrayContaining(['script', 'kernel', 'initrd', 'first-block']),
      );
      // Routed, not translated: the address that it was given is the one it comes from.
      expect(connections[0]?.address).toMatch(/^10\.78\.0\.(5\d|6\d|7\d|8\d|90)\b/);
      expect(relaySays()).toMatch(/Forwarded BOOTREQUEST for 52:54:00:00:0d:01 to 10\.77\.0\.1/);
      expect(relaySays()).toMatch(/Forwarded BOOTREPLY for 52:54:00:00:0d:01/);
    },
    BOOT_MS,
  );
});
