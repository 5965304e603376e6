/** What the flags of the benchmark mean; a wrong one is named, with its value and what would be right. */
import { InvalidArgumentError } from 'commander';
import { CliError, EXIT_USAGE } from '../src/cli/cli-error.ts';
import type { ClientKind } from './result.ts';

export function usageError(message: string): CliError {
  return new CliError(EXIT_USAGE, message);
}

/** For commander, which puts the flag and the value before the sentence. */
export function wholeFrom(least: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (!/^\d+$/.test(text) || !Number.isSafeInteger(value) || value < least) {
      throw new InvalidArgumentError(`It takes a whole number from ${least}.`);
    }
    return value;
  };
}

/** Seconds may be parts. */
export function positiveNumber(text: string): number {
  const value = Number(text);
  if (text.trim() === '' || !Number.isFinite(value) || value <= 0) {
    throw new InvalidArgumentError('It takes a number above 0.');
  }
  return value;
}

const UNITS: Readonly<Record<string, number>> = { '': 1, k: 1024, m: 1024 ** 2 };

/** `4096`, `4k`, `1m`. */
export function byteSize(text: string): number {
  const match = /^(\d+)([km]?)$/i.exec(text);
  const value = Number(match?.[1]) * (UNITS[match?.[2]?.toLowerCase() ?? ''] ?? Number.NaN);
  if (!Number.isSafeInteger(value) || value < 512 || value % 512 !== 0) {
    throw new InvalidArgumentError('It takes a multiple of 512 bytes, such as 4096, 4k or 1m.');
  }
  return value;
}

export function idList(text: string): string[] {
  return text.split(',').filter((id) => id !== '');
}

/** @throws CliError that names the first id that is not known */
export function checkIds(flag: string, ids: readonly string[], known: readonly string[]): void {
  for (const id of ids) {
    if (!known.includes(id)) {
      throw usageError(`${flag} ${id}: there is no '${id}'; there are ${known.join(', ')}`);
    }
  }
}

/** Keeps what --only names, or everything when it names nothing of this kind. */
export function narrow<T extends { readonly id: string }>(
  all: readonly T[],
  only: readonly string[],
): T[] {
  const named = all.filter(({ id }) => only.includes(id));
  return named.length === 0 ? [...all] : named;
}

export const CLIENT_CHOICES = ['rootcast', 'fio', 'both'] as const;
export type ClientChoice = (typeof CLIENT_CHOICES)[number];

export function clientsOf(choice: ClientChoice): readonly ClientKind[] {
  return choice === 'both' ? ['rootcast', 'fio'] : [choice];
}
