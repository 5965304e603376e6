import { Fault } from '../errors/index.ts';
import {
  DEFAULT_LOADER_FOLDERS,
  type DhcpConfig,
  type PxeConfig,
  type RelayedSubnet,
} from '../pxe/index.ts';
import { type Config, splitHostPort } from './config/index.ts';

/** The PXE servers' configuration out of the service's; undefined when PXE is not configured. */
export function pxeConfig(config: Config, nbdPort: number): PxeConfig | undefined {
  const { pxe } = config;
  if (pxe.address === undefined) return undefined;
  const advertised =
    config.nbd.advertise === undefined
      ? { host: pxe.address, port: nbdPort }
      : splitHostPort(config.nbd.advertise, 'nbd.advertise');
  return {
    serverAddress: pxe.address,
    broadcastAddress: pxe.broadcast ?? '255.255.255.255',
    dhcp: dhcpConfig(pxe.dhcp),
    tftp: pxe.tftp.enabled,
    ports: {
      dhcp: pxe.dhcp.port,
      dhcpClient: pxe.dhcp.clientPort,
      bootServer: pxe.dhcp.proxyPort,
      tftp: pxe.tftp.port,
      http: pxe.http.port,
    },
    httpBaseUrl: undefined,
    nbd: { address: advertised.host, port: advertised.port },
    loaderFolders: [pxe.loaders, ...DEFAULT_LOADER_FOLDERS],
    uefiLoader: pxe.uefiLoader,
  };
}

function dhcpConfig(dhcp: Config['pxe']['dhcp']): DhcpConfig {
  switch (dhcp.mode) {
    case 'off':
      return { mode: 'off' };
    case 'proxy':
      return { mode: 'proxy' };
    case 'full': {
      const { rangeStart: first, rangeEnd: last, netmask } = dhcp;
      if (first === undefined || last === undefined || netmask === undefined) {
        throw new Fault(
          'INVALID_INPUT',
          'pxe.dhcp: full mode needs rangeStart, rangeEnd and netmask',
        );
      }
      return {
        mode: 'full',
        netmask,
        ranges: [{ first, last }],
        reservations: dhcp.reservations.map((text) => {
          const [mac = '', address = ''] = text.split('=');
          return { mac, address };
        }),
        subnets: dhcp.subnets.map(relayedSubnet),
        router: dhcp.router,
        dnsServers: dhcp.dns,
        domainName: dhcp.domain,
        leaseSeconds: dhcp.leaseSeconds,
      };
    }
  }
}

/** NETWORK/BITS=FIRST-LAST@ROUTER, as the schema has it. */
function relayedSubnet(text: string): RelayedSubnet {
  const [network = '', first = '', last = '', router = ''] = text.split(/[=@-]/);
  return { network, ranges: [{ first, last }], router };
}

/** What src/pxe calls by another name than the configuration does. */
const SETTINGS_OF_PXE: ReadonlyMap<string, string> = new Map([
  ['pxe.serverAddress', 'pxe.address'],
  ['pxe.broadcastAddress', 'pxe.broadcast'],
  ['pxe.nbd.address', 'nbd.advertise'],
  ['pxe.ports.dhcp', 'pxe.dhcp.port'],
  ['pxe.ports.bootServer', 'pxe.dhcp.proxyPort'],
  ['pxe.ports.tftp', 'pxe.tftp.port'],
  ['pxe.ports.http', 'pxe.http.port'],
  ['pxe.dhcp.ranges', 'pxe.dhcp.rangeStart'],
  ['pxe.dhcp.dnsServers', 'pxe.dhcp.dns'],
  ['pxe.dhcp.domainName', 'pxe.dhcp.domain'],
]);

/** A fault of the PXE servers in terms of the setting that whoever configures them has written. */
export function inTermsOfSettings(error: unknown): unknown {
  if (!(error instanceof Fault)) return error;
  const { code, details } = error;
  const setting = SETTINGS_OF_PXE.get(details.field ?? '');
  if (setting === undefined || details.field === undefined) return error;
  const message = error.message.replaceAll(details.field, setting);
  return new Fault(code, message, { ...details, field: setting }, { cause: error });
}
