import { networkInterfaces } from 'node:os';

/** IP addresses of this host's interfaces, at this moment. */
export function ownAddresses(): readonly string[] {
  const interfaces = Object.values(networkInterfaces());
  return interfaces.flatMap((each) => each ?? []).map(({ address }) => address);
}
