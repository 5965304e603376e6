/** A boot medium, as a stream. */
import { formatIpv4, netmaskOfBits, parseIpv4, sameSubnet } from '../../base/index.ts';
import { Fault } from '../../errors/index.ts';
import type { BootMediumRequest } from '../boot-media-port.ts';
import { type Control, recordEvent } from '../control.ts';
import type { BootMediumQuery } from '../schemas/boot-media.ts';
import type { OutgoingStream } from '../transfer-port.ts';

export interface OpenBootMedium {
  readonly fileName: string;
  readonly stream: OutgoingStream;
}

/** @throws Fault INVALID_INPUT and what BootMedia.build throws */
export async function openBootMedium(
  control: Control,
  query: BootMediumQuery,
  signal: AbortSignal,
): Promise<OpenBootMedium> {
  const { servers, address } = query;
  const request: BootMediumRequest = {
    servers: servers === undefined ? [] : servers.split(','),
    network: networkOf(query),
  };
  const stream = await control.bootMedia.build(request, signal);
  recordEvent(control, {
    kind: 'boot-media.created',
    subject: 'boot-media',
    message: `a boot medium was made for ${address === undefined ? 'any machine' : `the machine at ${address}`}`,
    data: { ...query, bytes: stream.length ?? null },
  });
  return { fileName: 'rootcast-boot.iso', stream };
}

function networkOf({ address: given, gateway }: BootMediumQuery): BootMediumRequest['network'] {
  if (given === undefined) {
    if (gateway === undefined) return undefined;
    throw new Fault('INVALID_INPUT', 'a gateway is given and no address', {
      field: 'gateway',
      value: gateway,
      expected: 'an address too, or neither',
    });
  }
  const [quad = '', bits = ''] = given.split('/');
  const address = parseIpv4(quad);
  const netmask = netmaskOfBits(Number(bits));
  if (address === undefined || netmask === undefined) {
    throw new Fault('INVALID_INPUT', `${given} is no address with its bits`, {
      field: 'address',
      value: given,
      expected: 'an IPv4 address, a slash, and 1 to 32',
    });
  }
  const router = gateway === undefined ? undefined : parseIpv4(gateway);
  if (gateway !== undefined && (router === undefined || !sameSubnet(router, address, netmask))) {
    throw new Fault('INVALID_INPUT', `${gateway} is not in the network of ${given}`, {
      field: 'gateway',
      value: gateway,
      expected: `an address in the network of ${given}`,
    });
  }
  return { address: quad, netmask: formatIpv4(netmask), router: gateway };
}
