import { Fault } from '../../errors/index.ts';

/** The image breaks its own format. Names the file, the field, the value and what would be right. */
export function invalidImage(
  file: string,
  field: string,
  value: number | bigint | string,
  expected: string,
  options?: ErrorOptions,
): Fault {
  return new Fault(
    'IMAGE_INVALID',
    `${file}: ${field} is ${value}; expected ${expected}`,
    { field, value: printable(value), expected },
    options,
  );
}

/** A valid image that uses something we do not read. */
export function unsupportedImage(
  file: string,
  field: string,
  value: number | bigint | string,
  detail: string,
): Fault {
  return new Fault('IMAGE_UNSUPPORTED', `${file}: ${field} is ${value}: ${detail}`, {
    field,
    value: printable(value),
    expected: detail,
  });
}

/** JSON has no bigint. */
function printable(value: number | bigint | string): number | string {
  return typeof value === 'bigint' ? value.toString() : value;
}
