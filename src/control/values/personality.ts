/**
 * Personality data: what makes one machine of a shared image different from the next. Names and values,
 * handed to the machine when it boots; whoever knows a MAC address can read them, so no secrets.
 */
import { Fault } from '../../errors/index.ts';
import { MAX_PERSONALITY_BYTES, MAX_PERSONALITY_NAME_LENGTH } from '../limits.ts';

const NAME = new RegExp(`^[A-Za-z0-9_.-]{1,${MAX_PERSONALITY_NAME_LENGTH}}$`);

const NAME_RULE = `1 to ${MAX_PERSONALITY_NAME_LENGTH} of A-Z, a-z, 0-9, '_', '.' and '-'`;

/** env: lines for a shell. */
export type PersonalityFormat = 'json' | 'env';

/** @throws Fault INVALID_INPUT */
export function parsePersonalityName(name: string): string {
  if (NAME.test(name)) return name;
  throw new Fault('INVALID_INPUT', `'${name}' is not a name of personality data`, {
    field: 'personality.name',
    value: name,
    expected: NAME_RULE,
  });
}

/** Any text that UTF-8 and a shell can carry. @throws Fault INVALID_INPUT */
export function parsePersonalityValue(name: string, value: string): string {
  // Longer than its bytes may be: not looked at, nor shown.
  if (value.length > MAX_PERSONALITY_BYTES) {
    throw new Fault('LIMIT_EXCEEDED', `the value of ${name} is too long`, {
      field: `personality.${name}`,
      value: value.length,
      expected: `at most ${MAX_PERSONALITY_BYTES} bytes`,
    });
  }
  if (value.isWellFormed() && !value.includes('\0')) return value;
  throw new Fault('INVALID_INPUT', `the value of ${name} is not text`, {
    field: `personality.${name}`,
    expected: 'Unicode text without NUL characters',
  });
}

/**
 * The shell variable that a name becomes: `ROOTCAST_` before it, so that no name can be PATH or begin with
 * a digit, and `_` for what a variable's name cannot hold.
 */
export function variableName(name: string): string {
  return `ROOTCAST_${name.replace(/[.-]/g, '_')}`;
}

/** What a guest is sent: an object, or lines that a POSIX shell reads (`. FILE`). */
export function formatPersonality(
  values: ReadonlyMap<string, string>,
  format: PersonalityFormat,
): string {
  switch (format) {
    case 'json':
      return `${JSON.stringify(Object.fromEntries(values))}\n`;
    case 'env':
      return [...values]
        .map(([name, value]) => `${variableName(name)}=${quotedForShell(value)}\n`)
        .join('');
  }
}

/** Inside single quotes nothing means anything but the next single quote (POSIX.1-2024, 2.2.2). */
export function quotedForShell(value: string): string {
  return `'${value.replaceAll("'", "'\\''")}'`;
}
