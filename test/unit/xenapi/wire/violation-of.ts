import { WireViolation } from '../../../../src/xenapi/wire/wire-violation.ts';

/** By name; undefined: it was accepted. Whatever else is thrown goes on. */
export function violationOf(read: () => unknown): string | undefined {
  try {
    read();
    return undefined;
  } catch (error) {
    if (error instanceof WireViolation) return error.violation;
    throw error;
  }
}
