import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { parseTrace, traceDiskBytes } from '../../../bench/trace.ts';

describe('a trace', () => {
  it('is read line by line', () => {
    expect(parseTrace('R,0,4096\nW,8192,512\nF\n')).toEqual([
      { kind: 'read', offset: 0, length: 4096 },
      { kind: 'write', offset: 8192, length: 512 },
      { kind: 'flush' },
    ]);
  });

  it.each(['R,0', 'X,0,1', 'R,-1,4096', 'R,0,0', 'W,0,99999999999', 'R,1e3,1', '', 'F,'])(
    'with the line %j is refused, with its number',
    (line) => {
      expect(() => parseTrace(`F\n${line}\nF\n`)).toThrow('line 2');
    },
  );

  it('tells how large a disk it needs', () => {
    expect(traceDiskBytes(parseTrace('R,4096,512\nF\nW,0,4096\n'))).toBe(8192);
    expect(traceDiskBytes([])).toBe(0);
  });

  it('of the Debian boot is the one its README describes', () => {
    const folder = join(import.meta.dirname, '../../../bench/traces');
    const trace = parseTrace(readFileSync(join(folder, 'debian-boot.csv'), 'utf8'));
    const count = (kind: string): number => trace.filter((request) => request.kind === kind).length;
    expect([count('read'), count('write'), count('flush')]).toEqual([897, 260, 11]);
    expect(traceDiskBytes(trace)).toBe(1500 * 2 ** 20);
  });
});
