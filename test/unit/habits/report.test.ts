import { describe, expect, it } from 'vitest';
import { formatCounts, formatFailures, formatSkips, skipReason } from '../../support/report.ts';

describe('the summary of a run', () => {
  it('is one plain line of three counts', () => {
    expect(formatCounts({ passed: 12, failed: 0, skipped: 3 })).toBe(
      '12 passed, 0 failed, 3 skipped',
    );
  });

  it('finds the reason of a skip in the title or the note, and says when there is none', () => {
    expect(skipReason('boot [skipped: needs root] > starts', undefined)).toBe('needs root');
    expect(skipReason('boot > starts', 'no KVM here')).toBe('no KVM here');
    expect(skipReason('boot > starts', undefined)).toBe('NO REASON GIVEN');
  });

  it('lists every skipped test under its reason', () => {
    const skips = [
      { name: 'a', reason: 'needs root' },
      { name: 'b', reason: 'needs fio' },
      { name: 'c', reason: 'needs root' },
    ];
    expect(formatSkips(skips)).toEqual([
      'skipped, needs root:',
      '  - a',
      '  - c',
      'skipped, needs fio:',
      '  - b',
    ]);
  });

  it('says of every failure which and why, and does not let one fill the page', () => {
    const long = Array.from({ length: 100 }, (_, index) => `line ${index}`).join('\n');
    const lines = formatFailures([
      { name: 'a', message: 'disk full' },
      { name: 'b', message: long },
    ]);
    expect(lines.slice(0, 4)).toEqual(['FAILED a', '  disk full', 'FAILED b', '  line 0']);
    expect(lines.length).toBeLessThan(20);
  });
});
