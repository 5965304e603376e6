/** Turns a failed listen into a Fault that says what to do. */
import { Fault } from '../errors/index.ts';

export interface ListenTarget {
  /** `DHCP`, `TFTP` … */
  readonly service: string;
  readonly address: string;
  readonly port: number;
  readonly field: string;
  /** What usually has that port, e.g. `dnsmasq, isc-dhcp-server`. */
  readonly usualOwners: string;
}

export function listenFault(error: unknown, target: ListenTarget): Fault {
  const { service, address, port, field, usualOwners } = target;
  const code = (error as { code?: unknown } | null | undefined)?.code;
  const details = { field, value: port };
  const where = `${service} cannot listen on ${address} port ${port}`;
  const options = { cause: error };
  switch (code) {
    case 'EADDRINUSE':
      return new Fault(
        'ADDRESS_IN_USE',
        `${where}: another program has it (probably ${usualOwners}; see: ss -lpn sport = :${port})`,
        details,
        options,
      );
    case 'EACCES':
    case 'EPERM':
      return new Fault(
        'PERMISSION_DENIED',
        `${where}: ports below 1024 need root or the capability CAP_NET_BIND_SERVICE ` +
          '(systemd: AmbientCapabilities=CAP_NET_BIND_SERVICE)',
        details,
        options,
      );
    case 'EADDRNOTAVAIL':
      return new Fault(
        'INVALID_INPUT',
        `${where}: no interface of this host has the address`,
        { field: 'pxe.serverAddress', value: address, expected: 'an address of this host' },
        options,
      );
    default:
      return new Fault('INTERNAL', `${where}: ${String(error)}`, details, options);
  }
}
