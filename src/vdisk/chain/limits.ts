/** Limits of chains of layers. */

/**
 * Layers of one chain, its base among them, whose index is built at once. Reads cost the same at any
 * depth; what grows with it is the time to build the index: every layer's map is looked through once, and all
 * of them are in memory.
 */
export const MAXIMUM_CHAIN_LAYERS = 256;

/**
 * Layers of a chain whose index grows layer by layer (chain-index-draft.ts): a snapshot of a volume is one,
 * and there are thousands. The index counts them in 16 bits, and cache keys twice as many.
 */
export const MAXIMUM_GROWN_LAYERS = 16_384;

/** Room for this many mixed units when a chain's index is built; doubled as needed. */
export const MIXED_UNITS_AT_FIRST = 256;

/** Units or cache blocks of an index that are worked out before timers and sockets get their turn. */
export const INDEX_STEPS_PER_TURN = 64 * 1024;
