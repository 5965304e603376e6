/** Bytes from `offset` to the end of its extent. */
export function bytesLeft(offset: number, extentSize: number): number {
  return extentSize - (offset % extentSize);
}

/** Calls `visit` for the part of [offset, end) in each extent that it touches. */
export function forEachPiece(
  offset: number,
  end: number,
  extentSize: number,
  visit: (at: number, length: number) => void,
): void {
  for (let at = offset; at < end; ) {
    const length = Math.min(bytesLeft(at, extentSize), end - at);
    visit(at, length);
    at += length;
  }
}
