import type { ArrayVolumes } from './array-volumes.ts';
import type { NodeChains } from './node-chains.ts';
import type { NodeStore } from './nodes.ts';
import type { PortsOf } from './open-nodes.ts';
import type { OpenVolumes } from './open-volumes.ts';

/** What everything that works on trees of nodes stands on. */
export interface TreeParts {
  readonly store: NodeStore;
  readonly arrays: ArrayVolumes;
  readonly portsOf: PortsOf;
  readonly isAttached: (repositoryId: string) => boolean;
  readonly chains: NodeChains;
  readonly open: OpenVolumes;
  /** Names this boot of the host. */
  readonly bootId: string;
  /** Worker threads that may open an overlay. */
  readonly workers: number;
  readonly newId: () => string;
  /** Something in the background failed; it is tried again. */
  readonly troubled: (what: string, error: unknown) => void;
}
