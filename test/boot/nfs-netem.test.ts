/** Our NFS client and nfs-ganesha, where packets are late, are lost, or do not come through at all for a while. */
import { afterAll, beforeAll, expect, it } from 'vitest';
import { describeWith, program, root } from '../support/requires.ts';
import { until } from '../support/until.ts';
import { NetemRouter } from './support/netem-router.ts';
import type { NfsRun } from './support/nfs-run.ts';
import type { RoutedGanesha } from './support/routed-ganesha.ts';

const NEEDS = [
  root(),
  program('qemu-system-x86_64', 'qemu-system-x86'),
  program('mmdebstrap', 'mmdebstrap'),
  program('sfdisk', 'fdisk'),
  program('mke2fs', 'e2fsprogs'),
  program('debugfs', 'e2fsprogs'),
  program('tc', 'iproute2'),
  program('ganesha.nfsd', 'nfs-ganesha'),
  program('rpcbind', 'rpcbind'),
];

const SERVER = new URL('./support/routed-ganesha.ts', import.meta.url).pathname;
const RUN = new URL('./support/nfs-run.ts', import.meta.url).pathname;
const VERSIONS = ['3', '4'] as const;
const BAD = 'delay 5ms 1ms loss 2%';
const LONG_MS = 60_000;
const AS_WRITTEN = /^\d{3,} requests, all as written$/m;

describeWith(NEEDS, 'the NFS client and nfs-ganesha behind a bad network', () => {
  let router: NetemRouter;
  let ganesha: ReturnType<NetemRouter['namespace']['start']>;
  let where: RoutedGanesha;

  beforeAll(async () => {
    router = await NetemRouter.start();
    ganesha = router.namespace.start([process.execPath, SERVER]);
    const up = (): boolean => /^\{.*\}$/m.test(ganesha.output) || !ganesha.running;
    await until('nfs-ganesha is there', up, LONG_MS);
    if (!ganesha.running) throw new Error(ganesha.output);
    where = JSON.parse(ganesha.output);
    await router.disturb(BAD);
  });
  afterAll(async () => {
    await ganesha?.end();
    await router?.stop();
  });

  function start(run: Omit<NfsRun, 'where'>) {
    const whole: NfsRun = { where, ...run };
    return router.namespace.start([process.execPath, RUN, JSON.stringify(whole)]);
  }

  type Running = ReturnType<typeof start>;

  async function untilAll(what: string, runs: readonly Running[], said: RegExp): Promise<void> {
    const settled = ({ output, running }: Running): boolean => said.test(output) || !running;
    await until(what, () => runs.every(settled), LONG_MS);
    for (const run of runs) expect(run.output).toMatch(said);
  }

  /** @returns how many packets were thrown away on the way to the server and on the way back */
  async function whileCounting(run: () => Promise<void>): Promise<number[]> {
    const before = await router.counts();
    await run();
    const after = await router.counts();
    return after.map(({ dropped }, way) => dropped - (before[way]?.dropped ?? 0));
  }

  it.each(VERSIONS)(
    'loses nothing and fails nothing by version %s where packets are late and lost',
    async (version) => {
      const dropped = await whileCounting(async () => {
        const run = start({ version, requests: 300, losses: 0 });
        await untilAll('all was written', [run], AS_WRITTEN);
      });
      for (const packets of dropped) expect(packets).toBeGreaterThan(10);
    },
  );

  it('loses nothing and fails nothing when no packet comes through, longer than a lease', async () => {
    const runs = VERSIONS.map((version) => start({ version, requests: 100, losses: 1 }));
    await untilAll('all write', runs, /^writing$/m);
    await router.disturb('loss 100%');
    // Nobody says that the server is gone: it is the silence that ends the connections.
    await untilAll('the connections are given up', runs, /lost an NFS connection.*no sign of life/);
    await router.disturb(BAD);
    await untilAll('all was written', runs, AS_WRITTEN);
  });

  it('loses nothing and fails nothing when the server is killed on such a network', async () => {
    const runs = VERSIONS.map((version) => start({ version, requests: 100, losses: 1 }));
    await untilAll('all write', runs, /^writing$/m);
    ganesha.process.kill('SIGHUP');
    await untilAll('all was written', runs, AS_WRITTEN);
  });
});
