/** Networks of four addresses for the two ends of a cable between network namespaces. */
import { succeed } from './run-program.ts';

/** 10.213.0.0/16 is the tests' own; it has so many networks of four addresses. */
const NETWORKS = 2 ** 14;

export interface CableNetwork {
  /** The address of our end, and of the end inside the namespace. */
  readonly outer: string;
  readonly inner: string;
  /** With the length of its prefix. */
  readonly network: string;
  readonly prefixLength: 30;
}

/** @param index from 0 to 16,383 */
export function cableNetwork(index: number): CableNetwork {
  const third = Math.floor(index / 64);
  const fourth = (index % 64) * 4;
  const address = (host: number): string => `10.213.${third}.${fourth + host}`;
  return { outer: address(1), inner: address(2), network: `${address(0)}/30`, prefixLength: 30 };
}

/**
 * One that no interface here has. The cable of a run that was killed stays until somebody removes it, and of two
 * interfaces with one network the older gets every packet.
 */
export async function freeCableNetwork(): Promise<CableNetwork> {
  const { stdout } = await succeed('ip', ['-j', '-4', 'address', 'show']);
  const interfaces = JSON.parse(stdout) as readonly { addr_info: readonly { local: string }[] }[];
  const taken = new Set(interfaces.flatMap((one) => one.addr_info.map(({ local }) => local)));
  // Two processes that look at the same time begin at different ones.
  for (let turn = 0; turn < NETWORKS; turn += 1) {
    const network = cableNetwork((process.pid + turn) % NETWORKS);
    if (!taken.has(network.outer)) return network;
  }
  throw new Error('every network of 10.213.0.0/16 is taken: remove the cables of earlier runs');
}
