/** What the programs print is looked at before it is believed. */
import { ArrayError } from '../../errors/index.ts';

export type Shape = Readonly<Record<string, unknown>>;

/** @throws ArrayError BACKEND_BUG: not JSON. `ceph` puts an empty line before it. */
export function parseJson(text: string, what: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch (cause) {
    throw new ArrayError('BACKEND_BUG', `${what}: the answer is not JSON`, {
      nativeMessage: text.slice(0, 200),
      cause,
    });
  }
}

/** @throws ArrayError BACKEND_BUG */
export function asShape(value: unknown, what: string): Shape {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Shape;
  throw surprise(value, what, 'an object');
}

export function asList(value: unknown, what: string): readonly unknown[] {
  if (Array.isArray(value)) return value;
  throw surprise(value, what, 'a list');
}

export function shapesOf(value: unknown, what: string): readonly Shape[] {
  return asList(value, what).map((item) => asShape(item, what));
}

export function text(from: Shape, field: string): string {
  const value = from[field];
  if (typeof value === 'string') return value;
  throw surprise(value, field, 'text');
}

export function optionalText(from: Shape, field: string): string | undefined {
  const value = from[field];
  return typeof value === 'string' ? value : undefined;
}

/** A whole number that is not negative. */
export function count(from: Shape, field: string): number {
  const value = from[field];
  if (typeof value === 'number' && Number.isSafeInteger(value) && value >= 0) return value;
  throw surprise(value, field, 'a whole number');
}

function surprise(value: unknown, what: string, expected: string): ArrayError {
  return new ArrayError('BACKEND_BUG', `${what} should be ${expected}`, {
    nativeMessage: JSON.stringify(value)?.slice(0, 200) ?? 'nothing',
  });
}
