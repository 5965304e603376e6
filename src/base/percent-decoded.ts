/** What was percent-encoded (RFC 3986, 2.1); as it is, where an escape is none: it means itself. */
export function percentDecoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
