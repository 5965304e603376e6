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

/**
 * Fast tests that need a process of their own: they measure its memory, or change what all of it sees.
 */
const ALONE = [
  'test/unit/vdisk/overlay/memory.test.ts',
  'test/unit/adapters/ceph/crashing-programs.test.ts',
  'test/unit/adapters/ceph/servers.test.ts',
  'test/unit/xenapi/images/memory.test.ts',
];

/** Tests of the kind of the fast ones that take seconds each: `npm test` runs them, and not what people run all the time. */
const LONG = [
  'test/compliance/carved.test.ts',
  'test/compliance/iscsi-device.test.ts',
  'test/compliance/xenapi-disks.test.ts',
  'test/unit/adapters/nfs/control.test.ts',
  'test/unit/adapters/nfs/misbehaving-server.test.ts',
  'test/unit/bench/load.test.ts',
  'test/unit/vdisk/bundle/large.test.ts',
  'test/unit/vdisk/export/qcow2-layout.test.ts',
  'test/unit/volumes/many-snapshots.test.ts',
  'test/unit/xenapi/images/round-trip.test.ts',
  'test/unit/xenapi/messages/pbd.test.ts',
  'test/unit/xenapi/messages/sr-life.test.ts',
  'test/unit/xenapi/quicktest/quicktest.test.ts',
  'test/unit/xenapi/vdi/copy.test.ts',
  'test/unit/xenapi/vdi/lifecycle.test.ts',
  'test/unit/xenapi/vdi/model.test.ts',
];

/**
 * Buffers count as what they are, a part of a heap that may be some hundred megabytes: V8 alone collects the whole heap
 * whenever 64 MiB of them were made, which took up to half of the time of a test that works on disks.
 */
const ROOMY_HEAP = [
  '--external-memory-accounted-in-global-limit',
  '--initial-old-space-size=512',
  '--initial-heap-size=600',
];

/** Milliseconds after which a test is taken to hang. */
const FAST_TIMEOUT = 30_000;
const SLOW_TIMEOUT = 400_000;
const SLOW_HOOK_TIMEOUT = 600_000;

const FAST_TIMEOUTS = { testTimeout: FAST_TIMEOUT, hookTimeout: FAST_TIMEOUT };

/** A new process and all modules anew for each file would be a quarter of the work. */
const SHARED_PROCESS = { isolate: false, execArgv: ROOMY_HEAP };

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
          exclude: [...ALONE, ...LONG],
          ...SHARED_PROCESS,
          ...FAST_TIMEOUTS,
        },
      },
      { test: { name: 'long', include: LONG, ...SHARED_PROCESS, ...FAST_TIMEOUTS } },
      {
        test: { name: 'fast-alone', include: ALONE, ...FAST_TIMEOUTS },
      },
      ...SLOW.map((folder) => ({
        test: {
          name: folder,
          include: [`test/${folder}/**/*.test.ts`],
          maxWorkers: SLOW_WORKERS,
          sequence: { groupOrder: 1 },
          testTimeout: SLOW_TIMEOUT,
          // vitest alone gives up after a second, in which a busy machine has not started a program.
          expect: { poll: { timeout: FAST_TIMEOUT } },
          hookTimeout: SLOW_HOOK_TIMEOUT,
        },
      })),
    ],
  },
});
