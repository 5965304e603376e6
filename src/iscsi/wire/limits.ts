/** Bounds that the codecs check. Each has a line in docs/LIMITS.md. */

/** Additional header segments of one PDU in bytes: an extended CDB of 260 bytes and a bidirectional length. */
export const AHS_BYTES = 276;

/** Length of a key in negotiated text, in bytes (RFC 7143, 6.1). */
export const TEXT_KEY_BYTES = 63;

/** Length of a value in negotiated text, in bytes: 255, or 8192 for a large binary value (RFC 7143, 6.1). */
export const TEXT_VALUE_BYTES = 8192;

/** Keys of one negotiation or one discovery answer. */
export const TEXT_PAIRS = 16_384;

/** Designators that one LUN may have in its device identification page. */
export const DESIGNATORS = 64;

/** LUNs that one target may report. */
export const REPORTED_LUNS = 16_384;

/** Extents of one GET LBA STATUS answer. */
export const LBA_STATUS_DESCRIPTORS = 1024;
