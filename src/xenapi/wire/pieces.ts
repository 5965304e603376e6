import { PIECE_CHARACTERS } from './limits.ts';

/** The same text in fewer pieces: all but the last have at least `characters`. */
export function* inPieces(
  parts: Iterable<string>,
  characters = PIECE_CHARACTERS,
): Generator<string, void> {
  let piece = '';
  for (const part of parts) {
    piece += part;
    if (piece.length < characters) continue;
    yield piece;
    piece = '';
  }
  if (piece !== '') yield piece;
}
