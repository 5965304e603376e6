import { describe, expect, it } from 'vitest';
import { Recorder } from '../../../bench/load/recorder.ts';

describe('what the requests of a job saw', () => {
  it('over time adds up to all of it, in a bounded number of equal intervals', () => {
    const start = 1000;
    for (const milliseconds of [3, 100, 5000, 90_000]) {
      const recorder = new Recorder(start);
      for (let at = 0; at < milliseconds; at += milliseconds / 500) {
        recorder.record(start + at, start + at + 0.5, 4096);
      }
      const intervals = recorder.intervals();
      expect(intervals.length).toBeLessThanOrEqual(64);
      const sum = (pick: (interval: (typeof intervals)[number]) => number): number =>
        intervals.reduce((total, interval) => total + pick(interval), 0);
      expect(sum(({ requests }) => requests)).toBe(recorder.requests);
      expect(sum(({ bytes }) => bytes)).toBe(recorder.bytes);
      expect(sum(({ seconds }) => seconds)).toBeCloseTo(recorder.seconds, 2);
      if (milliseconds > 1000) expect(intervals.length).toBeGreaterThan(31);
    }
  });

  it('has groups only where there are several', () => {
    const recorder = new Recorder(0);
    recorder.recordGroup('read', 0, 1, 10);
    expect(recorder.groups()).toEqual([]);
    recorder.recordGroup('write', 0, 2, 20);
    expect(recorder.groups().map(({ name, bytes }) => [name, bytes])).toEqual([
      ['read', 10],
      ['write', 20],
    ]);
  });
});
