/** Limits of exports. */

/** Layers of a chain up to which all volumes are opened with it; beyond, each when it is first read. */
export const EAGER_LAYERS = 64;
