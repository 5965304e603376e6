/**
 * Real machines boot a real Debian from an NFS server to which every packet takes 5 ms, and back (netem): the first, which
 * is recorded; a second, which reads nothing from it; and, after a restart of the service, a third that was recorded
 * before. READs are counted at the server's door. Some minutes, so only with ROOTCAST_SLOW=1;
 * test/service/boot-reads.test.ts shows the same by replay at each run.
 */
import { afterAll, beforeAll, expect, test } from 'vitest';
import {
  EMULATED_KERNEL_ARGUMENTS,
  ensureDebianImage,
  FULL_DHCP,
  LabService,
  Machine,
  type NetworkNamespace,
} from '../../src/service/demo/index.ts';
import { describeWith, program, slow } from '../support/requires.ts';
import { suiteFolder } from '../support/suite-folder.ts';
import { until } from '../support/until.ts';
import { BOOT_NEEDS } from './support/boot-lab.ts';
import { NetemRouter } from './support/netem-router.ts';

const NEEDS = [
  slow(),
  ...BOOT_NEEDS,
  program('ganesha.nfsd', 'nfs-ganesha'),
  program('rpcbind', 'rpcbind'),
  program('tc', 'iproute2'),
  program('debugfs', 'e2fsprogs'),
];
const STORAGE = new URL('./support/far-storage.ts', import.meta.url).pathname;
/** So many packets are on their way at a time at most; more would be lost. */
const LATE = 'delay 5ms limit 100000';
const BOOT_MS = 900_000;

interface Reads {
  readonly all: number;
  readonly again: number;
}

interface Gauges {
  readonly reads: {
    readonly aheadRequests: number;
    readonly aheadBytes: number;
    readonly aheadHitBytes: number;
  };
}

interface Boots {
  readonly items: readonly {
    readonly ended: string | null;
    readonly steps: readonly { readonly stage: string; readonly tookMs: number }[];
  }[];
}

describeWith(NEEDS, 'machines that boot from a repository whose answers are late', () => {
  const folder = suiteFolder('storm');
  let router: NetemRouter;
  let storage: ReturnType<NetworkNamespace['start']>;
  let service: LabService;
  let withoutTrace = 0;

  const start = (): Promise<LabService> =>
    LabService.start({
      namespace: router.namespace,
      folder,
      arguments: [...FULL_DHCP, '--workers', '2'],
    });

  beforeAll(async () => {
    const image = await ensureDebianImage();
    router = await NetemRouter.start('joined');
    storage = router.namespace.start([process.execPath, STORAGE]);
    const up = (): boolean => /^\[.*\]$/m.test(storage.output) || !storage.running;
    await until('the storage is there', up, BOOT_MS);
    if (!storage.running) throw new Error(storage.output);
    const settings = JSON.parse(/^\[.*\]$/m.exec(storage.output)?.[0] ?? '[]') as string[];
    service = await start();
    await service.cli([
      ...['repository', 'create', 'late', '--kind', 'nfs'],
      ...settings.flatMap((setting) => ['--set', setting]),
    ]);
    await service.cli([
      ...['vdisk', 'import', image.disk, '--name', 'debian', '--repository', 'late'],
    ]);
    for (const number of [1, 2, 3]) {
      await service.cli([
        ...['machine', 'add', `pc-${number}`, '--mac', macOf(number), '--vdisk', 'debian'],
        ...['--kernel-arguments', EMULATED_KERNEL_ARGUMENTS],
      ]);
    }
    await router.disturb(LATE);
    storage.process.kill('SIGHUP');
  }, BOOT_MS);

  afterAll(async () => {
    await service?.stop();
    await storage?.end();
    await router?.stop();
  }, 120_000);

  const macOf = (number: number): string => `52:54:00:00:0e:0${number}`;

  /** READs of disks so far, and those of what had been read before. */
  async function reads(): Promise<Reads> {
    const said = storage.output.length;
    storage.process.kill('SIGUSR2');
    const line = () => /^reads (\d+) again (\d+)$/m.exec(storage.output.slice(said));
    await until('the storage says how often it was read', () => line() !== null);
    const [, all = 0, again = 0] = line() ?? [];
    return { all: Number(all), again: Number(again) };
  }

  const since = async (before: Reads): Promise<Reads> => {
    const now = await reads();
    return { all: now.all - before.all, again: now.again - before.again };
  };

  /** @returns what the storage was asked for until the machine was up */
  async function boot(number: number): Promise<Reads> {
    const before = await reads();
    const machine = await Machine.start({
      ...{
        network: router.namespace,
        folder,
        mac: macOf(number),
        firmware: 'bios',
        memoryMiB: 512,
      },
    });
    try {
      await machine.console.waitFor(/ROOTCAST-READY/, BOOT_MS);
      const timeline = (): Promise<Boots> => service.get<Boots>(`/machines/pc-${number}/boots`);
      await until('it is reported', async () => (await timeline()).items[0]?.ended === 'ready');
      const [last] = (await timeline()).items;
      const steps = last?.steps ?? [];
      console.log(steps.map(({ stage, tookMs }) => `${stage} +${tookMs}`).join(', '));
      expect(steps.map(({ stage }) => stage)).toEqual([
        ...['dhcp', 'script', 'kernel', 'initrd', 'first-block', 'root-mounted', 'ready'],
      ]);
      return await since(before);
    } catch (error) {
      console.error(machine.console.transcript.slice(-3000), service.output.slice(-3000));
      throw error;
    } finally {
      await machine.kill();
    }
  }

  test('the first reads it, and is recorded', { timeout: BOOT_MS }, async () => {
    const [before] = await router.counts();
    ({ all: withoutTrace } = await boot(1));
    expect(withoutTrace).toBeGreaterThan(200);
    // They went that way, and none was lost.
    const [after] = await router.counts();
    expect((after?.sent ?? 0) - (before?.sent ?? 0)).toBeGreaterThan(withoutTrace);
    expect(after?.dropped).toBe(before?.dropped);
  });

  test('the second reads nothing from it', { timeout: BOOT_MS }, async () => {
    const second = await boot(2);
    console.log(
      `READs: ${withoutTrace} of the first machine's boot, ${second.all} of the second's`,
    );
    expect(second.again).toBe(0);
    // A machine reads a little more or less each time (journals, random seeds): blocks nobody read before.
    expect(second.all).toBeLessThanOrEqual(withoutTrace / 20);
  });

  test('after a restart, one that was recorded asks three times less often', {
    timeout: BOOT_MS,
  }, async () => {
    await service.stop();
    const before = await reads();
    service = await start();
    await boot(3);
    const { all: withTrace } = await since(before);
    const { reads: ahead } = await service.get<Gauges>('/boots');
    const times = (withoutTrace / withTrace).toFixed(1);
    console.log(
      `READs of a cold boot: ${withoutTrace} without a trace, ${withTrace} with it: ${times} times less; ${ahead.aheadRequests} ahead, ${ahead.aheadBytes} bytes, of which ${ahead.aheadHitBytes} were wanted`,
    );
    expect(withTrace * 3).toBeLessThanOrEqual(withoutTrace);
  });
});
