import type { NetworkInterfaceInfo } from 'node:os';
import { expect, it } from 'vitest';
import { interfaceOf, THIS_HOST } from '../../../../src/xenapi/projections/host-facts.ts';

const common = { netmask: '', mac: '52:54:00:00:00:01', internal: false } as const;
const v4 = (address: string): NetworkInterfaceInfo => ({
  ...{ ...common, address, family: 'IPv4', cidr: `${address}/24` },
});
const v6 = (address: string): NetworkInterfaceInfo => ({
  ...{ ...common, address, family: 'IPv6', cidr: `${address}/64`, scopeid: 0 },
});
const facts = {
  ...THIS_HOST,
  interfaces: () => ({
    eth0: [v4('192.0.2.1')],
    eth1: [v4('192.0.2.129'), v4('198.51.100.1'), v6('fd00::7')],
  }),
};

it.each([
  ['fd00::7', 'eth1', '192.0.2.129'],
  ['FD00:0:0::7', 'eth1', '192.0.2.129'],
  ['::ffff:198.51.100.1', 'eth1', '198.51.100.1'],
  ['rootcast.example', 'eth0', '192.0.2.1'],
])('a server that is reached by %s has %s', (address, name, ipv4) => {
  expect(interfaceOf(facts, address)).toMatchObject({ name, ipv4: { address: ipv4 } });
});
