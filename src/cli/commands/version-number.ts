import { InvalidArgumentError } from 'commander';

/** Of a version. @throws InvalidArgumentError */
export function parseVersion(text: string): number {
  if (/^[1-9][0-9]{0,8}$/.test(text)) return Number(text);
  throw new InvalidArgumentError('It is the number of a version: 1, 2, 3 …');
}
