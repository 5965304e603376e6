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
  // The longest first: one may be the beginning of another.
  return [...secrets]
    .filter((secret) => secret !== '')
    .sort((a, b) => b.length - a.length)
    .reduce((shown, secret) => shown.replaceAll(secret, HIDDEN), text);
}

function withoutSecretsIn(error: unknown, secrets: readonly string[]): unknown {
  if (!holdsOne(error, secrets)) return error;
  const message = error instanceof Error ? error.message : String(error);
  const code = error instanceof Fault ? error.code : 'INTERNAL';
  const details = error instanceof Fault ? error.details : {};
  // Without its cause, which holds what was hidden.
  return new Fault(code, hide(message, secrets), {
    ...(details.field === undefined ? {} : { field: hide(details.field, secrets) }),
    ...(details.value === undefined ? {} : { value: hiddenIn(details.value, secrets) }),
    ...(details.expected === undefined ? {} : { expected: hide(details.expected, secrets) }),
  });
}

function hiddenIn(value: unknown, secrets: readonly string[]): unknown {
  if (typeof value === 'string') return hide(value, secrets);
  return holdsText(JSON.stringify(value) ?? '', secrets) ? HIDDEN : value;
}

function holdsOne(error: unknown, secrets: readonly string[]): boolean {
  for (let part: unknown = error; part !== undefined && part !== null; ) {
    if (!(part instanceof Error)) return holdsText(String(part), secrets);
    const details = part instanceof Fault ? part.details : { ...part };
    if (holdsText(`${part.message} ${part.stack} ${told(details)}`, secrets)) return true;
    part = part.cause;
  }
  return false;
}

function told(details: object): string {
  try {
    return JSON.stringify(details);
  } catch {
    return ''; // a circle: message and stack are what is shown of it
  }
}

function holdsText(text: string, secrets: readonly string[]): boolean {
  return secrets.some((secret) => secret !== '' && text.includes(secret));
}
