import { describeClass, field, oneOf, ref, STRING_MAP, set } from './description.ts';

const MODE = oneOf('ip_configuration_mode', ['None', 'DHCP', 'Static']);
const MODE_V6 = oneOf('ipv6_configuration_mode', ['None', 'DHCP', 'Static', 'Autoconf']);
const ADDRESS_TYPE = oneOf('primary_address_type', ['IPv4', 'IPv6']);
const IGMP_STATUS = oneOf('pif_igmp_status', ['enabled', 'disabled', 'unknown']);

export const PIF = describeClass({
  name: 'PIF',
  doc: 'The interface of the host on which the server is reached',
  role: 'pool-operator',
  fields: {
    uuid: field('string', 'dynamic', 'Its own'),
    device: field('string', 'dynamic', 'As the host calls it'),
    network: field(ref('network'), 'dynamic', 'What it is on'),
    host: field(ref('host'), 'dynamic', 'Whose it is'),
    MAC: field('string', 'dynamic', 'Its Ethernet address'),
    MTU: field('int', 'dynamic', 'Octets', { byDefault: 1500 }),
    VLAN: field('int', 'dynamic', 'None', { byDefault: -1 }),
    metrics: field(ref('PIF_metrics'), 'dynamic', 'None'),
    physical: field('bool', 'dynamic', 'Whether it stands for a card', { byDefault: true }),
    currently_attached: field('bool', 'dynamic', 'Whether it has an address', {
      byDefault: true,
    }),
    ip_configuration_mode: field(MODE, 'dynamic', 'The host configures it: this is what it has'),
    IP: field('string', 'dynamic', 'Its address', { byDefault: '' }),
    netmask: field('string', 'dynamic', 'Of its address', { byDefault: '' }),
    gateway: field('string', 'dynamic', 'Not known', { byDefault: '' }),
    DNS: field('string', 'dynamic', 'Not known', { byDefault: '' }),
    bond_slave_of: field(ref('Bond'), 'dynamic', 'None'),
    bond_master_of: field(set(ref('Bond')), 'dynamic', 'None'),
    VLAN_master_of: field(ref('VLAN'), 'dynamic', 'None'),
    VLAN_slave_of: field(set(ref('VLAN')), 'dynamic', 'None'),
    management: field('bool', 'dynamic', 'Whether this server is reached on it', {
      byDefault: true,
    }),
    other_config: field(STRING_MAP, 'rw', 'What clients keep with it', { byDefault: new Map() }),
    disallow_unplug: field('bool', 'dynamic', 'It cannot be unplugged here', { byDefault: true }),
    tunnel_access_PIF_of: field(set(ref('tunnel')), 'dynamic', 'None'),
    tunnel_transport_PIF_of: field(set(ref('tunnel')), 'dynamic', 'None'),
    ipv6_configuration_mode: field(MODE_V6, 'dynamic', 'The host configures it'),
    IPv6: field(set('string'), 'dynamic', 'Its IPv6 addresses, each with the length of its prefix'),
    ipv6_gateway: field('string', 'dynamic', 'Not known', { byDefault: '' }),
    primary_address_type: field(ADDRESS_TYPE, 'dynamic', 'Which address is the server’s'),
    managed: field('bool', 'dynamic', 'False: the host configures it', { byDefault: false }),
    properties: field(STRING_MAP, 'dynamic', 'Nothing'),
    capabilities: field(set('string'), 'dynamic', 'Nothing'),
    igmp_snooping_status: field(IGMP_STATUS, 'dynamic', 'Not known', { byDefault: 'unknown' }),
    sriov_physical_PIF_of: field(set(ref('network_sriov')), 'dynamic', 'None'),
    sriov_logical_PIF_of: field(set(ref('network_sriov')), 'dynamic', 'None'),
    PCI: field(ref('PCI'), 'dynamic', 'Not known'),
  },
  messages: {},
});
