/** The Range header (RFC 9110 §14.1.2): one range of bytes; anything else is answered whole. */

export type RequestedRange =
  | { readonly kind: 'whole' }
  /** Both inclusive. */
  | { readonly kind: 'part'; readonly first: number; readonly last: number }
  | { readonly kind: 'unsatisfiable' };

const SINGLE = /^bytes=(\d{0,15})-(\d{0,15})$/;

export function requestedRange(header: string | undefined, size: number): RequestedRange {
  const match = header === undefined ? null : SINGLE.exec(header.trim());
  if (match === null) return { kind: 'whole' };
  const [, from = '', to = ''] = match;
  if (from === '' && to === '') return { kind: 'whole' };
  if (from === '') {
    const length = Number(to);
    if (length === 0 || size === 0) return { kind: 'unsatisfiable' };
    return { kind: 'part', first: Math.max(0, size - length), last: size - 1 };
  }
  const first = Number(from);
  const last = to === '' ? size - 1 : Math.min(Number(to), size - 1);
  if (to !== '' && Number(to) < first) return { kind: 'whole' }; // invalid, so ignored (§14.1.1)
  return first >= size ? { kind: 'unsatisfiable' } : { kind: 'part', first, last };
}
