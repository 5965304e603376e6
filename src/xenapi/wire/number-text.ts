/** Numbers as decimal text. */

const INTEGER = /^[+-]?\d+$/;
const DECIMAL = /^[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?$/;

/** undefined: it is none. */
export function integerOfText(text: string): number | undefined {
  return INTEGER.test(text) ? finite(text) : undefined;
}

/** undefined: it is none, or too large for any double. */
export function decimalOfText(text: string): number | undefined {
  return DECIMAL.test(text) ? finite(text) : undefined;
}

function finite(text: string): number | undefined {
  const value = Number(text) + 0; // -0 is 0
  return Number.isFinite(value) ? value : undefined;
}

/** Significant digits of a double in XML-RPC (ocaml-rpc xmlrpc.ml). */
const DIGITS = 16;
/** Below it every integer has fewer digits than that. */
const PLAIN_INTEGERS = 1e15;

/** As C's `%.16g`. */
export function doubleText(value: number): string {
  if (Number.isInteger(value) && Math.abs(value) < PLAIN_INTEGERS && !Object.is(value, -0)) {
    return String(value);
  }
  if (Number.isNaN(value)) return 'nan';
  if (!Number.isFinite(value)) return value > 0 ? 'inf' : '-inf';
  if (value === 0) return '-0';
  const [mantissa = '', exponentText = ''] = value.toExponential(DIGITS - 1).split('e');
  const exponent = Number(exponentText);
  if (exponent >= -4 && exponent < DIGITS) {
    return withoutZeros(value.toFixed(DIGITS - 1 - exponent));
  }
  const digits = String(Math.abs(exponent)).padStart(2, '0');
  return `${withoutZeros(mantissa)}e${exponent < 0 ? '-' : '+'}${digits}`;
}

function withoutZeros(text: string): string {
  return text.includes('.') ? text.replace(/\.?0+$/, '') : text;
}
