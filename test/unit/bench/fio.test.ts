import { describe, expect, it } from 'vitest';
import { fioArguments, parseFioOutput } from '../../../bench/fio.ts';
import { WORKLOADS } from '../../../bench/workloads.ts';
import { makeJob } from './make-job.ts';

function output(differences: { error?: number; total_ios?: number }): string {
  const side = {
    total_ios: differences.total_ios ?? 30_000,
    io_bytes: 122_880_000,
    iops: 15_000,
    runtime: 2000,
    clat_ns: {
      mean: 61_000,
      max: 900_000,
      percentile: {
        '50.000000': 60_000,
        '90.000000': 100_000,
        '99.000000': 140_000,
        '99.900000': 300_000,
      },
    },
  };
  const nothing = { total_ios: 0, io_bytes: 0, iops: 0, runtime: 0, clat_ns: {} };
  const job = { error: differences.error ?? 0, read: side, write: nothing };
  return `fio: a note of the engine\n${JSON.stringify({ jobs: [job] })}`;
}

describe('what fio says', () => {
  it('is read in requests, seconds, bytes and microseconds', () => {
    expect(parseFioOutput(output({}), 'random-read')).toMatchObject({
      requests: 30_000,
      bytes: 122_880_000,
      perSecond: 15_000,
      bytesPerSecond: 61_440_000,
      seconds: 2,
      latency: { mean: 61, p50: 60, p90: 100, p99: 140, p999: 300, max: 900 },
      intervals: [],
      verified: undefined,
    });
  });

  it('is an error when the job failed', () => {
    expect(() => parseFioOutput(output({ error: 5 }), 'sequential-read')).toThrow('error 5');
  });

  it('is an error when no request was completed, as after a dropped connection', () => {
    expect(() => parseFioOutput(output({ total_ios: 0 }), 'random-read')).toThrow('no request');
    expect(() => parseFioOutput(output({}), 'random-write')).toThrow('no request');
  });

  it('is an error when it is no JSON', () => {
    const text = 'fio: engine nbd not loadable';
    expect(() => parseFioOutput(text, 'random-read')).toThrow('not loadable');
  });
});

describe('what fio says of flushed writes', () => {
  const said = (flushes: number): string => {
    const write = {
      ...{ total_ios: 30_000, io_bytes: 122_880_000, iops: 15_000, runtime: 2000 },
      clat_ns: { mean: 61_000, max: 900_000, percentile: {} },
    };
    const sync = {
      total_ios: flushes,
      lat_ns: { mean: 1_600_000, max: 9_000_000, percentile: { '99.000000': 4_000_000 } },
    };
    return JSON.stringify({ jobs: [{ error: 0, read: { ...write, total_ios: 0 }, write, sync }] });
  };

  it('is how many it wrote, and how long a flush took', () => {
    expect(parseFioOutput(said(29_990), 'write-flush')).toMatchObject({
      requests: 30_000,
      perSecond: 15_000,
      latency: { mean: 1600, p99: 4000, max: 9000 },
    });
  });

  it('is an error when it did not flush them', () => {
    expect(() => parseFioOutput(said(20), 'write-flush')).toThrow('flushed 20 of 30000 writes');
  });
});

describe('what fio is told', () => {
  const mine = WORKLOADS.filter(({ fio }) => fio);

  it('is a time for reads, and every block of an area once for writes', () => {
    for (const workload of mine) {
      const args = fioArguments(
        makeJob({ workload, areaBytes: workload.extent === 'once' ? 8192 : 0 }),
      );
      expect(args.includes('--time_based')).toBe(workload.access !== 'overlay');
      expect(args.includes('--size=8192')).toBe(workload.access === 'overlay');
      expect(args.includes('--fsync=1')).toBe(workload.access === 'persistent');
      expect(args).toContain('--ioengine=nbd');
      expect(args).toContain(`--numjobs=${workload.connections}`);
      expect(args).toContain('--group_reporting');
    }
    expect(mine.map(({ id }) => id)).toEqual([
      'read-4k-qd1',
      'read-4k-qd32',
      'read-4k-qd32-c4',
      'read-128k-qd8',
      'write-4k-first',
      'write-4k-again',
      'flush-1',
      'flush-32',
    ]);
  });

  it('is to ask every disk at once, and of each the same', () => {
    const [workload] = WORKLOADS.filter(({ id }) => id === 'flush-32');
    if (workload === undefined) throw new Error('no such workload');
    const args = fioArguments(makeJob({ workload, uris: ['nbd://a', 'nbd://b'] }));
    const first = args.indexOf('--name=disk0');
    // What stands before the first name is said of every job.
    expect(args.slice(first)).toEqual([
      ...['--name=disk0', '--uri=nbd://a', '--name=disk1', '--uri=nbd://b'],
    ]);
    expect(args.slice(0, first)).toContain('--fsync=1');
  });

  it('is nothing that it cannot do', () => {
    for (const workload of WORKLOADS.filter(({ pattern }) => pattern === 'trace')) {
      expect(() => fioArguments(makeJob({ workload }))).toThrow('fio cannot');
    }
  });
});
