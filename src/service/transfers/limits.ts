/** Limits of what leaves the service and comes to it. */

const KiB = 1024;
const MiB = 1024 * KiB;
const GiB = 1024 * MiB;
const TiB = 1024 * GiB;

/** Bytes of an image that is uploaded: the largest disk. */
export const UPLOAD_BYTES_MAX = 16 * TiB;

/** Bytes left free in the data folder while an upload is kept there. */
export const SPOOL_RESERVE_BYTES = 64 * MiB;

/** How often, in bytes, the free space is looked at while an upload comes. */
export const SPOOL_CHECK_BYTES = 64 * MiB;

/** Streams that leave the service at the same time: images, bundles and chunks; each takes up to 8 MiB of memory. */
export const STREAMS_AT_ONCE = 32;

/** Chains of layers that are open to read single chunks of them. */
export const CHAINS_OPEN = 8;

/** Milliseconds after which chains are closed from which nobody has asked for a chunk. */
export const CHAINS_IDLE_MS = 5_000;

/** Indices of chunks that are kept between the requests of another server; up to 20 bytes a chunk each. */
export const CHUNK_INDICES_KEPT = 2;

/** Milliseconds for which they are kept. */
export const CHUNK_INDEX_IDLE_MS = 60_000;

/** Bytes of manifests that are gone through to find chunks that are here: 2 TiB of data. Others are sent again. */
export const LOCAL_MANIFEST_BYTES_MAX = 1 * GiB;

/** Bytes of a bundle without chunks: manifests, kernels and initrds. */
export const DESCRIPTION_BYTES_MAX = 16 * GiB;

/** Milliseconds that another server may be silent. It goes through all manifests before it sends a chunk. */
export const PEER_IDLE_MS = 240_000;

/** Attempts in a row without anything that came; wrong addresses are told at the first. */
export const PEER_ATTEMPTS = 8;

/** Milliseconds before the second attempt; doubled for each further one. */
export const PEER_RETRY_MS = 1_000;

/** … up to so many. */
export const PEER_RETRY_MS_MAX = 30_000;

/** Bytes of another server's explanation why it refuses. */
export const PEER_PROBLEM_BYTES_MAX = 64 * KiB;
