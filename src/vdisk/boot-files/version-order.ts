/**
 * Debian's order of versions (Debian Policy, section 5.6.12): parts without digits and numbers by
 * turns; letters before other signs, and `~` before everything, even the end.
 */
export function compareVersions(left: string, right: string): number {
  let l = 0;
  let r = 0;
  while (l < left.length || r < right.length) {
    while (
      (l < left.length && !isDigit(left.charCodeAt(l))) ||
      (r < right.length && !isDigit(right.charCodeAt(r)))
    ) {
      const order = weight(left, l) - weight(right, r);
      if (order !== 0) return order;
      l += 1;
      r += 1;
    }
    const leftNumber = digitsAt(left, l);
    const rightNumber = digitsAt(right, r);
    l += leftNumber.length;
    r += rightNumber.length;
    const order = compareNumbers(leftNumber, rightNumber);
    if (order !== 0) return order;
  }
  return 0;
}

function isDigit(code: number): boolean {
  return code >= 48 && code <= 57;
}

function weight(text: string, at: number): number {
  const sign = text[at];
  if (sign === undefined || isDigit(sign.charCodeAt(0))) return 0;
  if (sign === '~') return -1;
  return /[A-Za-z]/.test(sign) ? sign.charCodeAt(0) : sign.charCodeAt(0) + 0x10000;
}

function digitsAt(text: string, at: number): string {
  let end = at;
  while (end < text.length && isDigit(text.charCodeAt(end))) end += 1;
  return text.slice(at, end);
}

/** Of any length: a version may hold a date or a hash. */
function compareNumbers(left: string, right: string): number {
  const l = left.replace(/^0+/, '');
  const r = right.replace(/^0+/, '');
  if (l.length !== r.length) return l.length - r.length;
  return l < r ? -1 : l > r ? 1 : 0;
}
