/** Milliseconds since the epoch as RFC 3339, as every answer shows times. */
export function iso(at: number): string {
  return new Date(at).toISOString();
}

export function isoOrNull(at: number | undefined): string | null {
  return at === undefined ? null : iso(at);
}
