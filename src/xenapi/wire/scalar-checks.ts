/** What the scalars of the datamodel are in our code, checked before one is written. */
import { isDateTime } from './date-time.ts';
import { notWritable } from './notation.ts';

export function stringOf(value: unknown): string {
  if (typeof value === 'string') return value;
  throw notWritable(value, 'a string');
}

export function integerOf(value: unknown): number {
  if (typeof value === 'number' && Number.isSafeInteger(value)) return value;
  throw notWritable(value, 'a safe integer');
}

export function numberOf(value: unknown): number {
  if (typeof value === 'number') return value;
  throw notWritable(value, 'a number');
}

export function booleanOf(value: unknown): boolean {
  if (typeof value === 'boolean') return value;
  throw notWritable(value, 'a boolean');
}

/** Milliseconds since the epoch. */
export function dateTimeOf(value: unknown): number {
  if (typeof value === 'number' && isDateTime(value)) return value;
  throw notWritable(value, 'a date of a year of four digits');
}

export function checkVoid(value: unknown): void {
  if (value !== undefined) throw notWritable(value, 'nothing');
}
