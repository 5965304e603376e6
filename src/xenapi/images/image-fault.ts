import { Fault } from '../../errors/index.ts';

/** What was sent breaks its own format. */
export function invalidImage(field: string, value: string | number, expected: string): Fault {
  const message = `the image that was sent: ${field} is ${value}; expected ${expected}`;
  return new Fault('IMAGE_INVALID', message, { field, value, expected });
}

/** It uses something that we do not read. */
export function unsupportedImage(field: string, value: string | number, detail: string): Fault {
  const message = `the image that was sent: ${field} is ${value}: ${detail}`;
  return new Fault('IMAGE_UNSUPPORTED', message, { field, value, expected: detail });
}

/** It ends too soon. */
export function endsEarly(position: number, what: string): Fault {
  return invalidImage('length', position, `more: it ends in the middle of ${what}`);
}
