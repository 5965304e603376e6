import { describe, expect, it } from 'vitest';
import {
  parseMachineTimes,
  parseProcessStat,
  selectTree,
  treeCpuMicros,
} from '../../../bench/procfs.ts';

const stat = (pid: number, name: string, parent: number, times: string): string =>
  `${pid} (${name}) S ${parent} 1 1 0 -1 4194560 1 2 3 4 ${times} 20 0 1 0 100`;

describe('the CPU time of a process', () => {
  it('is user and system time of it and of the children it waited for', () => {
    expect(parseProcessStat(stat(42, 'nbdkit', 7, '100 20 3 4'))).toEqual({
      pid: 42,
      parent: 7,
      cpuMicros: 1_270_000,
    });
  });

  it('is found behind a name with brackets and blanks', () => {
    const parsed = parseProcessStat(stat(42, 'a) R 9 (b', 7, '1 0 0 0'));
    expect(parsed).toEqual({ pid: 42, parent: 7, cpuMicros: 10_000 });
  });

  it('is refused when a field is no number', () => {
    expect(() => parseProcessStat('42 (x) S 7')).toThrow('no number');
  });

  it('of a process that is gone is an error, not nothing', () => {
    expect(() => treeCpuMicros(2 ** 30)).toThrow();
  });
});

describe('a process tree', () => {
  it('holds grandchildren, whatever the order, and no strangers', () => {
    const process = (pid: number, parent: number) => ({ pid, parent, cpuMicros: 1 });
    const all = [process(30, 20), process(20, 10), process(10, 1), process(11, 1), process(31, 11)];
    expect(selectTree(all, 10).map(({ pid }) => pid)).toEqual([30, 20, 10]);
  });
});

describe('the time of the machine', () => {
  it('counts waiting for the disk as idle, and the rest as busy', () => {
    const text = 'cpu  100 5 50 1000 200 3 7 10 0 0\ncpu0 1 2 3 4\n';
    expect(parseMachineTimes(text)).toEqual({ busyMicros: 1_750_000, idleMicros: 12_000_000 });
  });
});
