/**
 * Text for iPXE's `echo`. iPXE expands `${…}` and ends a command at the words `||`, `&&`, `;` and
 * `#` (src/core/exec.c), so those, and everything that is not printable ASCII, are replaced.
 */
import { MAX_SCREEN_TEXT } from '../limits.ts';

const TERMINATORS: ReadonlySet<string> = new Set(['||', '&&', ';', '#']);

export function screenText(text: string): string {
  const printable = text
    .replaceAll(/\s+/g, ' ')
    .replaceAll(/[^ -~]/g, '?')
    .replaceAll(/[$\\`]/g, '?');
  return printable
    .slice(0, MAX_SCREEN_TEXT)
    .split(' ')
    .map((word) => (TERMINATORS.has(word) ? '?' : word))
    .join(' ')
    .replace(/^-/, '?'); // not an option of echo
}
