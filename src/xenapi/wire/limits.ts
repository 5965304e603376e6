/** Limits of what is read from XenAPI's wires (docs/LIMITS.md). */

/** Arrays and structs inside each other in one parameter; a constructor's struct has three. */
export const MAX_VALUE_DEPTH = 32;
/** Values in one call, those in arrays and structs among them. */
export const MAX_CALL_VALUES = 20_000;
/** Characters of a method's name. */
export const MAX_METHOD_CHARACTERS = 256;
/** Characters of the name of a struct's member: a key of `other_config`, as a rule. */
export const MAX_NAME_CHARACTERS = 1024;
/** Characters of one piece of a reply that is written in pieces. */
export const PIECE_CHARACTERS = 64 * 1024;
/** Characters of a client's value that a message about it repeats. */
export const QUOTED_CHARACTERS = 100;
