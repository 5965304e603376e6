/** A boot medium, as a stream. */
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
  const [address = '', bits = ''] = given.split('/');
  const mask = (0xffffffff << (32 - Number(bits))) >>> 0;
  if (gateway !== undefined && network(gateway, mask) !== network(address, mask)) {
    throw new Fault('INVALID_INPUT', `${gateway} is not in the network of ${given}`, {
      field: 'gateway',
      value: gateway,
      expected: `an address in the network of ${given}`,
    });
  }
  return { address, netmask: quad(mask), router: gateway };
}

function network(address: string, mask: number): number {
  const value = address.split('.').reduce((sum, part) => sum * 256 + Number(part), 0);
  return (value & mask) >>> 0;
}

function quad(value: number): string {
  return [24, 16, 8, 0].map((shift) => (value >>> shift) & 255).join('.');
}
