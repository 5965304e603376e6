import { describe, expect, it } from 'vitest';
import { fioArguments, parseFioOutput } from '../../../bench/fio.ts';
import { WORKLOADS } from '../../../bench/workloads.ts';

function output(differences: { error?: number; total_ios?: number }): string {
  const side = {
    total_ios: differences.total_ios ?? 30_000,
    iops: 15_000,
    runtime: 2000,
    clat_ns: { percentile: { '50.000000': 60_000, '99.000000': 140_000 } },
  };
  const nothing = { total_ios: 0, iops: 0, runtime: 0, clat_ns: {} };
  const job = {
    error: differences.error ?? 0,
    read: side,
    write: nothing,
  };
  return `fio: a note of the engine\n${JSON.stringify({ jobs: [job] })}`;
}

const job = { uri: 'nbd://127.0.0.1:1/x', seconds: 3, areaBytes: 4096, seed: 1 };

describe('what fio says', () => {
  it('is read in requests, seconds and microseconds', () => {
    expect(parseFioOutput(output({}), 'randread')).toEqual({
      requests: 30_000,
      perSecond: 15_000,
      seconds: 2,
      p50Micros: 60,
      p99Micros: 140,
    });
  });

  it('is an error when the job failed', () => {
    expect(() => parseFioOutput(output({ error: 5 }), 'read')).toThrow('error 5');
  });

  it('is an error when no request was completed, as after a dropped connection', () => {
    expect(() => parseFioOutput(output({ total_ios: 0 }), 'read')).toThrow('no request');
    expect(() => parseFioOutput(output({}), 'randwrite')).toThrow('no request');
  });

  it('is an error when it is no JSON', () => {
    expect(() => parseFioOutput('fio: engine nbd not loadable', 'read')).toThrow('not loadable');
  });
});

describe('what fio is told', () => {
  it('is a time for reads, and every block of an area once for writes', () => {
    for (const workload of WORKLOADS) {
      const args = fioArguments({ ...job, workload });
      expect(args.includes('--time_based')).toBe(workload.access === 'image');
      expect(args.includes('--size=4096')).toBe(workload.access === 'overlay');
      expect(args).toContain('--ioengine=nbd');
    }
  });
});
