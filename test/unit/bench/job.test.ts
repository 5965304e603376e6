import { describe, expect, it } from 'vitest';
import { checkJob, JobError, type LoadJob } from '../../../bench/load/job.ts';
import { makeJob } from './make-job.ts';

describe('a job', () => {
  it('is accepted when it can be done', () => {
    expect(() => checkJob(makeJob({}))).not.toThrow();
  });

  it.each<[string, Partial<LoadJob>, string]>([
    ['no target', { uris: [] }, 'number of targets is 0, not a whole number from 1'],
    [
      'no request in flight',
      { workload: { ...makeJob({}).workload, queueDepth: 0 } },
      'queue depth is 0, not a whole number from 1 to 1024',
    ],
    [
      'half a connection',
      { workload: { ...makeJob({}).workload, connections: 0.5 } },
      'connections is 0.5',
    ],
    [
      'an odd block',
      { workload: { ...makeJob({}).workload, blockBytes: 1000 } },
      'block size is 1000, not a multiple of 512',
    ],
    ['no time', { seconds: 0 }, 'seconds is 0, not more than 0'],
    [
      'a replay without a trace',
      { workload: { ...makeJob({}).workload, pattern: 'trace' } },
      'trace needs a trace',
    ],
    [
      'a trace that is not there',
      { workload: { ...makeJob({}).workload, pattern: 'trace' }, trace: '/nowhere/x.csv' },
      'there is no trace /nowhere/x.csv',
    ],
  ])('with %s is refused', (_, differences, sentence) => {
    const attempt = (): void => checkJob(makeJob(differences));
    expect(attempt).toThrow(JobError);
    expect(attempt).toThrow(sentence);
  });
});
