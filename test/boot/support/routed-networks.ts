/** The two networks between which netem-router.ts is. */
import { cableNetwork } from '../../support/cable-network.ts';

/** A NetworkNamespace's own; the clients are in it. */
export const NEAR_NETWORK = '10.77.0.0/24';
export const NEAR_ADDRESS = '10.77.0.2';

/** Of `Ganesha.start`; the first address of its network becomes the router's. */
export const FAR_CABLE = cableNetwork(0);
export const FAR_NETWORK = FAR_CABLE.network;
export const FAR_ADDRESS = FAR_CABLE.outer;
