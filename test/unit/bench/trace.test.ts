import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import {
  ASSUMED_THINK_MICROS,
  formatTraceRequest,
  paceTrace,
  parseTrace,
  traceBlocks,
  traceDiskBytes,
} from '../../../bench/trace.ts';

describe('a trace', () => {
  it('is read line by line', () => {
    expect(parseTrace('R,0,4096\nW,8192,512\nF\n')).toEqual([
      { kind: 'read', offset: 0, length: 4096 },
      { kind: 'write', offset: 8192, length: 512 },
      { kind: 'flush' },
    ]);
  });

  it('may have think times, and is written as it was read', () => {
    const text = 'R,0,4096,250\nW,8192,512,0\nF,90\nF\n';
    const trace = parseTrace(text);
    expect(trace.map(({ thinkMicros }) => thinkMicros)).toEqual([250, 0, 90, undefined]);
    expect(trace.map(formatTraceRequest).join('')).toBe(text);
  });

  it('without any think time is paced with an assumed one, and otherwise as it is', () => {
    const bare = parseTrace('R,0,4096\nF\n');
    expect(paceTrace(bare).map(({ thinkMicros }) => thinkMicros)).toEqual([
      ASSUMED_THINK_MICROS,
      ASSUMED_THINK_MICROS,
    ]);
    const timed = parseTrace('R,0,4096\nF,7\n');
    expect(paceTrace(timed)).toBe(timed);
  });

  it('tells which blocks it touches', () => {
    expect(traceBlocks(parseTrace('W,8192,8192\nR,1024,1024\nF\nR,4095,2\n'))).toEqual([
      0, 1, 2, 3,
    ]);
  });

  it.each([
    'R,0,1,',
    'R,0,1,x',
    'R,0,1,-1',
    'R,0,1,2,3',
    'F,1.5',
    'R,0',
    'X,0,1',
    'R,-1,4096',
    'R,0,0',
    'W,0,99999999999',
    'R,1e3,1',
    '',
    'F,',
  ])('with the line %j is refused, with its number', (line) => {
    expect(() => parseTrace(`F\n${line}\nF\n`)).toThrow('line 2');
  });

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
