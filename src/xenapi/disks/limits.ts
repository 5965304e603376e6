/** Characters that tell the name of a volume from others of the same label. */
export const NAME_SUFFIX_LENGTH = 8;

/** Names that are tried for a label that many have; each is taken with a chance of one in 4 billion for each other. */
export const NAMES_TRIED = 8;

/** Bytes that are compared with a base, and written when they differ: the unit of changed block tracking, too. */
export const COMPARED_BYTES = 65_536;

/** Bytes that a client may write alone, in a VDI that is copied over another one. */
export const SECTOR_BYTES = 512;

/** Bytes of one read of a copy, a multiple of COMPARED_BYTES. */
export const COPY_PIECE_BYTES = 1_048_576;

/** Pieces of a copy under way at once: with a base each takes twice its bytes. */
export const COPY_PIECES_AT_ONCE = 4;

/** Bytes of a disk that are looked at between two reports of how far a copy is. */
export const COPY_STRETCH_BYTES = 67_108_864;

/** Bytes written after which a copy is flushed: what fills RAM slows everybody down. */
export const COPY_FLUSH_BYTES = 67_108_864;
