import { defineConfig } from 'vitest/config';

/** Folders whose tests start servers, namespaces or machines: one file at a time. */
const SLOW = ['conformance', 'interop', 'crash', 'service', 'boot'];

export default defineConfig({
  test: {
    pool: 'forks',
    projects: [
      {
        test: {
          name: 'fast',
          include: ['test/unit/**/*.test.ts', 'test/compliance/**/*.test.ts'],
          testTimeout: 30_000,
        },
      },
      ...SLOW.map((folder) => ({
        test: {
          name: folder,
          include: [`test/${folder}/**/*.test.ts`],
          fileParallelism: false,
          testTimeout: 180_000,
          hookTimeout: 600_000,
        },
      })),
    ],
  },
});
