import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';

const tracked = execFileSync('git', ['ls-files', 'test'], { encoding: 'utf8' }).split('\n');
const textOf = (path: string): string => readFileSync(path, 'utf8');

describe('Debian packages that tests need', () => {
  const listed = new Set(
    tracked
      .filter((path) => path.endsWith('debian-packages.txt'))
      .flatMap((path) => textOf(path).split('\n'))
      .map((line) => line.replace(/#.*/, '').trim()),
  );

  // Otherwise a test is skipped on every new machine, and nobody there asked for less.
  test('are installed by npm test', () => {
    // apt itself is what installs.
    const needed = tracked
      .filter((path) => path.endsWith('.ts'))
      .flatMap((path) => [
        ...textOf(path).matchAll(/\b(?:program|file)\('[^']+', '([a-z0-9.+-]+)'\)/g),
      ])
      .map(([, name]) => name ?? '');
    expect(needed.length).toBeGreaterThan(5);
    expect([...new Set(needed)].filter((name) => name !== 'apt' && !listed.has(name))).toEqual([]);
  });
});
