import { describe, expect, it } from 'vitest';
import { WARM_FIRST_PASSES } from '../../../bench/limits.ts';
import { type Setup, setupsOf } from '../../../bench/setups.ts';
import { spareMachines, warmUpJobs } from '../../../bench/warm-up.ts';
import { WORKLOADS, type WorkloadId } from '../../../bench/workloads.ts';

const MIB = 2 ** 20;
const options = {
  rounds: 3,
  seconds: 1,
  warmUp: 2,
  patience: 0,
  imageBytes: 64 * MIB,
  writeBytes: 24 * MIB,
  quick: false,
};
const uriOf = (machine: number): string => `nbd://host/${machine}`;

function setupOf(id: WorkloadId): Setup {
  const chosen = WORKLOADS.filter((workload) => workload.id === id);
  const [setup] = setupsOf(chosen, ['rootcast'], () => false);
  if (setup === undefined) throw new Error(`${id} has no setup`);
  return setup;
}

describe('the warm-up', () => {
  it('takes the time that was asked for, and checks nothing afterwards', () => {
    for (const { id } of WORKLOADS) {
      for (const job of warmUpJobs(setupOf(id), options, uriOf)) {
        expect(job).toMatchObject({ seconds: 2, readBack: false });
      }
    }
  });

  it('writes where no workload writes', () => {
    const jobs = warmUpJobs(setupOf('write-4k-first'), options, uriOf);
    const writing = jobs.filter(({ workload }) => workload.pattern === 'random-write');
    expect(writing.filter(({ discard }) => discard)).toHaveLength(WARM_FIRST_PASSES);
    expect(writing.at(-1)).toMatchObject({ discard: false, workload: { extent: 'time' } });
    for (const job of writing) {
      expect(job).toMatchObject({ areaOffset: 48 * MIB, areaBytes: 16 * MIB });
    }
  });

  it('flushes on all machines that will be asked to', () => {
    const jobs = warmUpJobs(setupOf('flush-32'), options, uriOf);
    const flushing = jobs.filter(({ workload }) => workload.pattern === 'write-flush');
    expect(flushing.map(({ uris }) => uris.length)).toEqual([32]);
  });

  it('boots machines that are not measured', () => {
    const setup = setupOf('boot-100');
    const [job, ...others] = warmUpJobs(setup, options, uriOf);
    expect(others).toEqual([]);
    expect(job).toMatchObject({ traceRepeats: true });
    expect(job?.uris).toHaveLength(spareMachines(setup, options));
    expect(job?.uris[0]).toBe('nbd://host/100');
  });

  it('leaves a server cold whose first answers are measured', () => {
    expect(warmUpJobs(setupOf('slow-origin'), options, uriOf)).toEqual([]);
    expect(spareMachines(setupOf('slow-origin'), options)).toBe(0);
  });

  it('of no seconds still fills the caches with the image', () => {
    const none = { ...options, warmUp: 0 };
    expect(spareMachines(setupOf('boot-100'), none)).toBe(0);
    expect(warmUpJobs(setupOf('boot-100'), none, uriOf)).toEqual([]);
    const jobs = warmUpJobs(setupOf('read-4k-qd1'), none, uriOf);
    expect(jobs.map(({ workload }) => workload.pattern)).toEqual(['sequential-read']);
  });
});
