import { defineConfig } from 'vitest/config';

/**
 * Folders whose tests start servers, namespaces or machines. They wait more than they work, so two files run at
 * a time, whatever folder they are in; those that take longest begin first (vitest starts with the largest files,
 * or with what took longest in the run before).
 */
const SLOW = ['conformance', 'interop', 'crash', 'service', 'boot'];
const SLOW_WORKERS = 2;

/** One seed for the whole run (test/support/seed.ts): every worker process inherits it. */
process.env['ROOTCAST_SEED'] ??= String(Date.now() % 2 ** 31);

/** Milliseconds after which a test is taken to hang. */
const FAST_TIMEOUT = 30_000;
const SLOW_TIMEOUT = 180_000;
const SLOW_HOOK_TIMEOUT = 600_000;

export default defineConfig({
  test: {
    pool: 'forks',
    // One for each core; vitest alone would leave one idle, which on two cores is half of them.
    maxWorkers: '100%',
    reporters: ['default', './test/support/report.ts'],
    projects: [
      {
        test: {
          name: 'fast',
          include: ['test/unit/**/*.test.ts', 'test/compliance/**/*.test.ts'],
          testTimeout: FAST_TIMEOUT,
        },
      },
      ...SLOW.map((folder) => ({
        test: {
          name: folder,
          include: [`test/${folder}/**/*.test.ts`],
          maxWorkers: SLOW_WORKERS,
          sequence: { groupOrder: 1 },
          testTimeout: SLOW_TIMEOUT,
          hookTimeout: SLOW_HOOK_TIMEOUT,
        },
      })),
    ],
  },
});
