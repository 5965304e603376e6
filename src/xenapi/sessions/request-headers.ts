/** What headers of a request say of whose it is. Pure. */
import { percentDecoded } from '../../base/index.ts';

/**
 * Of `name=value` each, percent-encoded or not; the first of a name counts.
 * @param pairs the parts of the header, at whatever separates them
 */
export function cookiesIn(pairs: readonly string[]): ReadonlyMap<string, string> {
  const cookies = new Map<string, string>();
  for (const pair of pairs) {
    const equals = pair.indexOf('=');
    if (equals === -1) continue;
    const name = pair.slice(0, equals).trim();
    if (!cookies.has(name)) cookies.set(name, percentDecoded(pair.slice(equals + 1).trim()));
  }
  return cookies;
}

/** `Authorization: Basic` (RFC 7617). @returns undefined: it says nothing of a name and a password */
export function basicCredentials(
  authorization: string | undefined,
): { readonly name: string; readonly password: string } | undefined {
  const encoded = /^basic +([A-Za-z0-9+/=_-]+) *$/i.exec(authorization ?? '')?.[1];
  if (encoded === undefined) return undefined;
  const text = Buffer.from(encoded, 'base64').toString('utf8');
  const colon = text.indexOf(':');
  return colon === -1 ? undefined : { name: text.slice(0, colon), password: text.slice(colon + 1) };
}
