import { describe, expect, it } from 'vitest';
import { requestedRange } from '../../../../src/pxe/http/byte-range.ts';

describe('byte ranges', () => {
  it.each([
    [undefined, 'whole'],
    ['bytes=0-9', [0, 9]],
    ['bytes=90-', [90, 99]],
    ['bytes=90-1000', [90, 99]],
    ['bytes=-10', [90, 99]],
    ['bytes=-1000', [0, 99]],
    ['bytes=99-99', [99, 99]],
    ['bytes=100-', 'unsatisfiable'],
    ['bytes=-0', 'unsatisfiable'],
    ['bytes=9-8', 'whole'],
    ['bytes=0-1,4-5', 'whole'],
    ['bytes=-', 'whole'],
    ['bytes=a-b', 'whole'],
    ['lines=0-9', 'whole'],
  ] as const)('%s of 100 bytes', (header, expected) => {
    const range = requestedRange(header, 100);
    expect(range.kind === 'part' ? [range.first, range.last] : range.kind).toEqual(expected);
  });

  it('of nothing is nothing', () => {
    expect(requestedRange('bytes=0-', 0)).toEqual({ kind: 'unsatisfiable' });
    expect(requestedRange('bytes=-5', 0)).toEqual({ kind: 'unsatisfiable' });
    expect(requestedRange(undefined, 0)).toEqual({ kind: 'whole' });
  });
});
