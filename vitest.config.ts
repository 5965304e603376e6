import { defineConfig } from 'vitest/config';

/**
 * Folders whose tests start servers, namespaces or machines: one folder after the other, and one file
 * at a time inside it.
 */
const SLOW = ['conformance', 'interop', 'crash', 'service', 'boot'];

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
      ...SLOW.map((folder, index) => ({
        test: {
          name: folder,
          include: [`test/${folder}/**/*.test.ts`],
          fileParallelism: false,
          sequence: { groupOrder: index + 1 },
          testTimeout: SLOW_TIMEOUT,
          hookTimeout: SLOW_HOOK_TIMEOUT,
        },
      })),
    ],
  },
});
