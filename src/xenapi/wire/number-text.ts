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
  const sign = value < 0 || Object.is(value, -0) ? '-' : '';
  if (!Number.isFinite(value)) return `${sign}inf`;
  if (value === 0) return `${sign}0`;
  const [mantissa = '', exponentText = ''] = rounded(Math.abs(value)).split('e');
  const exponent = Number(exponentText);
  if (exponent < -4 || exponent >= DIGITS) {
    const digits = String(Math.abs(exponent)).padStart(2, '0');
    return `${sign}${withoutZeros(mantissa)}e${exponent < 0 ? '-' : '+'}${digits}`;
  }
  const digits = mantissa.replace('.', '');
  const plain =
    exponent < 0
      ? `0.${'0'.repeat(-exponent - 1)}${digits}`
      : `${digits.slice(0, exponent + 1)}.${digits.slice(exponent + 1)}`;
  return sign + withoutZeros(plain);
}

/** Exactly between two texts, of which the smaller ends in an even digit. */
const TIE = /^(\d\.\d{14}[02468])50+(e.*)$/;
/** Enough to see that there is nothing behind the 5. */
const MORE_DIGITS = 40;

/** In exponential form. C goes to the even digit of two that are equally near, JavaScript to the larger. */
function rounded(value: number): string {
  const tie = TIE.exec(value.toExponential(MORE_DIGITS));
  return tie === null ? value.toExponential(DIGITS - 1) : `${tie[1]}${tie[2]}`;
}

/** Of a text with a point. */
function withoutZeros(text: string): string {
  return text.replace(/\.?0*$/, '');
}
