import type { LoadJob } from '../../../bench/load/job.ts';

/** Random reads for a moment; say only what matters to the test. */
export function makeJob(differences: Partial<LoadJob>): LoadJob {
  return {
    workload: {
      pattern: 'random-read',
      blockBytes: 4096,
      queueDepth: 4,
      connections: 1,
      paced: false,
      extent: 'time',
    },
    uris: ['nbd://127.0.0.1:1/x'],
    seconds: 0.1,
    areaOffset: 0,
    areaBytes: 0,
    discard: false,
    seed: 1,
    imageKnown: true,
    readBack: true,
    trace: undefined,
    traceRepeats: false,
    volumeBytes: 2 ** 20,
    ...differences,
  };
}
