/**
 * Real machines boot a real Debian from a repository whose answers are 5 ms late: the first, which is recorded; a second,
 * which reads nothing from it; and, after a restart of the service, a third that was recorded before. Some minutes, so
 * only with ROOTCAST_SLOW=1; test/service/boot-reads.test.ts shows the same by replay at each run.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import {
  ensureDebianImage,
  FULL_DHCP,
  LabService,
  Machine,
  NetworkNamespace,
} from '../../src/service/demo/index.ts';
import { describeWith, program, slow } from '../support/requires.ts';
import { until } from '../support/until.ts';
import { BOOT_NEEDS } from './support/boot-lab.ts';

const NEEDS = [
  slow(),
  ...BOOT_NEEDS,
  program('ganesha.nfsd', 'nfs-ganesha'),
  program('rpcbind', 'rpcbind'),
];
const STORAGE = new URL('./support/late-storage.ts', import.meta.url).pathname;
const BOOT_MS = 900_000;

interface Boots {
  readonly items: readonly {
    readonly ended: string | null;
    readonly steps: readonly { readonly stage: string; readonly tookMs: number }[];
  }[];
}

describeWith(NEEDS, 'machines that boot from a repository whose answers are late', () => {
  const folder = mkdtempSync(join(tmpdir(), 'rootcast-storm-'));
  let namespace: NetworkNamespace;
  let storage: ReturnType<NetworkNamespace['start']>;
  let service: LabService;
  let withoutTrace = 0;

  const start = (): Promise<LabService> =>
    LabService.start({ namespace, folder, arguments: [...FULL_DHCP, '--workers', '2'] });

  beforeAll(async () => {
    const image = await ensureDebianImage();
    namespace = await NetworkNamespace.create();
    storage = namespace.start([process.execPath, STORAGE]);
    await until('the storage is there', () => /^\[.*\]$/m.test(storage.output), BOOT_MS);
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
        ...['--kernel-arguments', 'console=ttyS0 quiet'],
      ]);
    }
  }, BOOT_MS);

  afterAll(async () => {
    await service?.stop();
    await storage?.end();
    await namespace?.close();
    rmSync(folder, { recursive: true, force: true });
  }, 120_000);

  const macOf = (number: number): string => `52:54:00:00:0e:0${number}`;

  async function reads(): Promise<number> {
    const said = storage.output.length;
    storage.process.kill('SIGUSR2');
    const line = (): string | undefined => /^reads (\d+)$/m.exec(storage.output.slice(said))?.[1];
    await until('the storage says how often it was read', () => line() !== undefined);
    return Number(line());
  }

  /** @returns how many READs of disks the storage was asked for until the machine was up */
  async function boot(number: number): Promise<number> {
    const before = await reads();
    const machine = await Machine.start({
      ...{ network: namespace, folder, mac: macOf(number), firmware: 'bios', memoryMiB: 512 },
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
      return (await reads()) - before;
    } catch (error) {
      console.error(machine.console.transcript.slice(-3000), service.output.slice(-3000));
      throw error;
    } finally {
      await machine.kill();
    }
  }

  test('the first reads it, and is recorded', { timeout: BOOT_MS }, async () => {
    withoutTrace = await boot(1);
    expect(withoutTrace).toBeGreaterThan(200);
  });

  test('the second reads nothing from it', { timeout: BOOT_MS }, async () => {
    const second = await boot(2);
    console.log(`READs: ${withoutTrace} of the first machine's boot, ${second} of the second's`);
    // A machine reads a little more or less each time (journals, random seeds): blocks nobody read before.
    expect(second).toBeLessThanOrEqual(withoutTrace / 20);
  });

  test('after a restart, one that was recorded asks three times less often', {
    timeout: BOOT_MS,
  }, async () => {
    await service.stop();
    const before = await reads();
    service = await start();
    await boot(3);
    const withTrace = (await reads()) - before;
    const times = (withoutTrace / withTrace).toFixed(1);
    console.log(
      `READs of a cold boot: ${withoutTrace} without a trace, ${withTrace} with it: ${times} times less`,
    );
    expect(withTrace * 3).toBeLessThanOrEqual(withoutTrace);
  });
});
