/**
 * Storage answers with the words of arrays and of programs, and some of them repeat what they were given. What
 * leaves here never holds one of these secrets.
 */
import { Fault } from '../../errors/index.ts';

const HIDDEN = '***';

/** Whatever `work` throws comes out as a Fault without them. */
export async function withoutSecrets<T>(
  secrets: Readonly<Record<string, string>>,
  work: () => Promise<T>,
): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw withoutSecretsIn(error, Object.values(secrets));
  }
}

/** @param secrets what must not be seen */
export function hide(text: string, secrets: readonly string[]): string {
  return spellings(secrets).reduce((shown, secret) => shown.replaceAll(secret, HIDDEN), text);
}

/** As they are, and as they are written in JSON and in URLs; the longest first: one may be the beginning of another. */
function spellings(secrets: readonly string[]): readonly string[] {
  return secrets
    .filter((secret) => secret !== '')
    .flatMap((secret) => [secret, JSON.stringify(secret).slice(1, -1), encodeURIComponent(secret)])
    .sort((a, b) => b.length - a.length);
}

function withoutSecretsIn(error: unknown, secrets: readonly string[]): unknown {
  const isHidden = (text: string): boolean => hide(text, secrets) !== text;
  if (!textsOf(error).some(isHidden)) return error;
  const message = error instanceof Error ? error.message : String(error);
  const code = error instanceof Fault ? error.code : 'INTERNAL';
  const { field, value, expected } = error instanceof Fault ? error.details : {};
  // Without its cause, which may hold what was hidden.
  return new Fault(code, hide(message, secrets), {
    ...(field === undefined ? {} : { field: hide(field, secrets) }),
    ...(value === undefined ? {} : { value: textsOf(value).some(isHidden) ? HIDDEN : value }),
    ...(expected === undefined ? {} : { expected: hide(expected, secrets) }),
  });
}

/** All that can be read in it, of an error also what it does not show by itself. */
function textsOf(value: unknown, seen: Set<object> = new Set()): readonly string[] {
  if (typeof value === 'string') return [value];
  if (typeof value !== 'object' || value === null || seen.has(value)) return [];
  seen.add(value);
  const hidden = value instanceof Error ? [value.message, value.stack, value.cause] : [];
  const parts = Object.entries(value).flat();
  return [...hidden, ...parts].flatMap((part) => textsOf(part, seen));
}
