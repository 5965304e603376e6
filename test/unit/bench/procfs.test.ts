import { describe, expect, it } from 'vitest';
import {
  busiestThreadMicros,
  parseMachineTimes,
  parseProcessStat,
  parseThreadCpu,
  selectTree,
  treeCpuMicros,
  treeThreadMicros,
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

describe('the CPU time of a thread', () => {
  it('is its own, without children, whatever its name', () => {
    expect(parseThreadCpu(stat(43, 'worker (1) R', 7, '100 20 3 4'))).toBe(1_200_000);
    expect(() => parseThreadCpu('43 (x) S 7')).toThrow('no number');
  });

  it('of the busiest is the most that one did in between, also of one that is new', () => {
    const before = new Map([
      ['1/1', 5_000_000],
      ['1/2', 100],
    ]);
    const after = new Map([
      ['1/1', 5_000_100],
      ['1/2', 900],
      ['1/3', 300],
    ]);
    expect(busiestThreadMicros(before, after)).toBe(800);
    expect(busiestThreadMicros(before, new Map([...after, ['1/4', 2000]]))).toBe(2000);
  });

  it('is found for every thread of this process', () => {
    const threads = treeThreadMicros(process.pid);
    expect(threads.has(`${process.pid}/${process.pid}`)).toBe(true);
    expect(threads.size).toBeGreaterThan(1);
  });
});
