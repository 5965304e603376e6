/** Longest name of a volume, in characters: a file name of 255 bytes leaves room for an ending. */
export const VOLUME_ID_LENGTH = 200;
