/** What a message of an NFS server may hold. Each limit has a line in docs/LIMITS.md. */

/** Longest record, and fragment of one, that a server may send, in bytes: the largest READ and what stands around it. */
export const RECORD_BYTES = 1024 * 1024 + 64 * 1024;

/** Longest body of a verifier in bytes (RFC 5531, section 8.2). */
export const VERIFIER_BODY_BYTES = 400;

/** Bytes of a reply within which the data of a READ begins: RPC header, verifier, attributes, lengths. */
export const READ_HEAD_BYTES = 640;

/** Longest file handle in bytes (RFC 1813: 64; RFC 7530: 128). */
export const FILE_HANDLE_BYTES = 128;

/** Longest name of a file in bytes. */
export const NAME_BYTES = 255;

/** Longest path of an export in bytes (MNTPATHLEN, RFC 1813). */
export const MOUNT_PATH_BYTES = 1024;

/** Exports in one answer; those beyond are not shown. */
export const EXPORTS = 4096;

/** Groups in one answer about exports. */
export const EXPORT_GROUPS = 65_536;

/** Supplementary groups of a caller (RFC 5531, appendix A). */
export const GROUPS = 16;

/** Entries of a folder in one reply. */
export const ENTRIES_IN_REPLY = 16_384;

/** Attributes of one object in NFSv4, in bytes. */
export const ATTRIBUTE_BYTES = 64 * 1024;

/** Words of an attribute bitmap (NFSv4.0 knows two). */
export const BITMAP_WORDS = 8;

/** Longest opaque value of which only the place is needed (client ids, universal addresses), in bytes. */
export const OPAQUE_BYTES = 1024;
