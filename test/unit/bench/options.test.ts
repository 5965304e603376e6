import { describe, expect, it } from 'vitest';
import { narrow, parseOptions, UsageError } from '../../../bench/options.ts';
import { withPrerequisites } from '../../../bench/rounds.ts';
import { WORKLOADS } from '../../../bench/workloads.ts';

const ids = (items: readonly { readonly id: string }[]): string[] => items.map(({ id }) => id);

describe('the flags', () => {
  it('mean a full run when there are none, and a short one with --quick', () => {
    const mib = 2 ** 20;
    expect(parseOptions([], [])).toMatchObject({ rounds: 5, seconds: 3, imageBytes: 512 * mib });
    expect(parseOptions(['--quick'], [])).toMatchObject({
      rounds: 1,
      imageBytes: 128 * mib,
      patience: 0,
    });
    expect(parseOptions(['--quick', '--rounds', '3'], [])).toMatchObject({ rounds: 3, seconds: 1 });
  });

  it.each([
    [['--rounds', '0'], 'whole number'],
    [['--rounds', 'many'], 'whole number'],
    [['--patience=-1'], 'whole number from 0'],
    [['--patience', ''], 'whole number from 0'],
    [['--image-mib', '16', '--write-mib', '32'], 'must not be more'],
    [['--only', 'nbdkit,nothing'], "no 'nothing'"],
    [['--speed'], '--speed'],
    [['stray'], 'stray'],
  ])('%j are refused with a sentence', (args, sentence) => {
    const attempt = (): unknown => parseOptions(args, ['nbdkit']);
    expect(attempt).toThrow(UsageError);
    expect(attempt).toThrow(sentence);
  });
});

describe('--only', () => {
  it('narrows the kind it names and leaves the other alone', () => {
    const targets = [{ id: 'a' }, { id: 'b' }];
    expect(ids(narrow(targets, ['b', 'read-4k-qd1']))).toEqual(['b']);
    expect(ids(narrow(targets, ['read-4k-qd1']))).toEqual(['a', 'b']);
  });

  it('keeps the first touch that "again" needs', () => {
    const again = WORKLOADS.filter(({ id }) => id === 'write-4k-again');
    expect(ids(withPrerequisites(again, WORKLOADS))).toEqual(['write-4k-first', 'write-4k-again']);
    const read = WORKLOADS.filter(({ id }) => id === 'read-4k-qd1');
    expect(ids(withPrerequisites(read, WORKLOADS))).toEqual(['read-4k-qd1']);
  });
});
