/** Characters that tell the name of a volume from others of the same label. */
export const NAME_SUFFIX_LENGTH = 8;

/** Names that are tried for a label that many have; each one more is free but for one chance in 4 billion. */
export const NAMES_TRIED = 8;

/** Bytes of one read or write of a copy. */
export const COPY_PIECE_BYTES = 1_048_576;

/** Pieces of a copy under way at once: with a base each takes twice its bytes. */
export const COPY_PIECES_AT_ONCE = 4;

/** Bytes that are compared, and written when they differ from the base: the unit of changed block tracking, too. */
export const COMPARED_BYTES = 65_536;

/** Bytes after which a copy is flushed: what is lost with a crash is made anew, what fills RAM is not. */
export const COPY_FLUSH_BYTES = 67_108_864;

/** Extents asked for at once. */
export const EXTENTS_AT_ONCE = 256;
