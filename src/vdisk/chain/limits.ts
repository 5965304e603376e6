/** Limits of chains of layers. */

/**
 * Layers of one chain, its base among them. Reads cost the same at any depth; what grows with it is
 * the time to build the index: every layer's map is looked through once.
 */
export const MAXIMUM_CHAIN_LAYERS = 256;

/** Room for this many mixed units when a chain's index is built; doubled as needed. */
export const MIXED_UNITS_AT_FIRST = 256;

/** Units or cache blocks of an index that are worked out before timers and sockets get their turn. */
export const INDEX_STEPS_PER_TURN = 64 * 1024;
