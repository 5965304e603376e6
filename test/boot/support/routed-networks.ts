/** The two networks between which netem-router.ts is. */

/** A NetworkNamespace's own; the clients are in it. */
export const NEAR_NETWORK = '10.77.0.0/24';
export const NEAR_ADDRESS = '10.77.0.2';

/** Of `Ganesha.start`; the first address of its network becomes the router's. */
export const FAR_SUBNET = 77;
export const FAR_NETWORK = `10.213.${FAR_SUBNET}.0/30`;
export const FAR_ADDRESS = `10.213.${FAR_SUBNET}.1`;
