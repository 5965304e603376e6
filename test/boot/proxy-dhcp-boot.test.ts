/**
 * Beside somebody else's DHCP server: dnsmasq, a host of its own on the same network, hands out the
 * addresses and knows nothing of booting; Rootcast in proxy mode only says what to boot.
 */
import { afterAll, expect, test } from 'vitest';
import { NetworkNamespace, SERVER_ADDRESS } from '../../src/service/demo/index.ts';
import { describeWith, program } from '../support/requires.ts';
import { BOOT_MS, BOOT_NEEDS, type GuestPlan } from './support/boot-lab.ts';
import { sharedLab } from './support/shared-lab.ts';

const OTHER_SERVER = '10.77.0.2';
const PROXY_DHCP = ['--pxe-address', SERVER_ADDRESS, '--pxe-dhcp-mode', 'proxy'];

const DELTA: GuestPlan = {
  name: 'delta',
  mac: '52:54:00:00:0b:04',
  firmware: 'bios',
  cache: 'server',
};
const EPSILON: GuestPlan = {
  name: 'epsilon',
  mac: '52:54:00:00:0b:05',
  firmware: 'uefi',
  cache: 'server',
};
const GUESTS = [DELTA, EPSILON];
/** Its firmware boots by HTTP: as far as the script. */
const ZETA: GuestPlan = {
  name: 'zeta',
  mac: '52:54:00:00:0b:06',
  firmware: 'uefi-http',
  cache: 'server',
};

describeWith(
  [...BOOT_NEEDS, program('dnsmasq', 'dnsmasq-base')],
  'beside another DHCP server (proxy mode)',
  () => {
    let other: NetworkNamespace | undefined;
    let otherSays = () => '';

    afterAll(() => other?.close(), 60_000);
    const running = sharedLab({
      serve: PROXY_DHCP,
      alsoSaid: () => `--- dnsmasq ---\n${otherSays()}`,
      setUp: async (lab) => {
        other = await NetworkNamespace.create(OTHER_SERVER);
        await lab.namespace.connect(other);
        const dnsmasq = other.start([
          ...(['dnsmasq', '--no-daemon', '--conf-file=/dev/null', '--port=0'] as const),
          ...['--user=root', '--interface=boot0', '--no-ping', '--leasefile-ro', '--log-dhcp'],
          '--dhcp-range=10.77.0.50,10.77.0.90,255.255.255.0',
        ]);
        otherSays = () => dnsmasq.output;
        for (const plan of [...GUESTS, ZETA]) await lab.add(plan);
      },
    });

    test(
      'a BIOS and a UEFI machine boot with addresses of the other server',
      async () => {
        const here = running();
        for (const plan of [...GUESTS, ZETA]) await here.powerOn(plan);
        await Promise.all(GUESTS.map(({ name }) => here.multiUser(name)));
        for (const { name } of GUESTS) {
          expect(await here.shell(name, 'hostname; findmnt -no SOURCE /')).toBe(
            `${name}\n/dev/mapper/rootcast-p1`,
          );
          const address = await here.shell(name, 'ip -4 -o address show scope global');
          expect(address).toMatch(/ 10\.77\.0\.(5\d|6\d|7\d|8\d|90)\/24 /);
          expect(await here.service.machine(name)).toMatchObject({
            state: 'running',
            lastBoot: { ended: 'ready' },
          });
        }
        expect(otherSays()).toMatch(/DHCPACK/);
      },
      BOOT_MS,
    );

    test(
      'UEFI HTTP Boot takes the URL of the one and the address of the other',
      async () => {
        const here = running();
        await here.stage(ZETA.name, 'script');
        await here.guest(ZETA.name).kill();
        const [, address] =
          /"type":"loader-served","address":"(10\.77\.0\.\d+)"/.exec(here.service.output) ?? [];
        expect(otherSays()).toContain(`DHCPACK(boot0) ${address} ${ZETA.mac}`);
      },
      BOOT_MS,
    );
  },
);
