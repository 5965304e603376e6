/**
 * A repository whose answers are 5 ms late, and a recorded boot of Debian: what the second machine's boot reads from
 * it (nothing), and how many requests less a cold boot needs that was recorded before.
 */
import { afterAll, beforeAll, expect, it } from 'vitest';
import { LateNfs } from '../support/late-nfs.ts';
import { Ganesha } from '../support/nfs-ganesha.ts';
import { describeWith, program, root } from '../support/requires.ts';
import { ServiceProcess } from '../support/service-process.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { until } from '../support/until.ts';
import { call, importTraceImage, macOf, TraceMachine } from './storm/trace-image.ts';

const NEEDS = [
  root(),
  program('ganesha.nfsd', 'nfs-ganesha'),
  program('rpcbind', 'rpcbind'),
  program('ip', 'iproute2'),
];
const LATE_MS = 5;
const ARGUMENTS = [
  ...['--pxe-address', '127.0.0.1', '--pxe-http-port', '0', '--pxe-tftp-enabled', 'false'],
  ...['--workers', '2'],
];

interface Boots {
  readonly reads: {
    readonly sharedHitBytes: number;
    readonly aheadRequests: number;
    readonly aheadBytes: number;
    readonly aheadHitBytes: number;
  };
}
interface Trace {
  readonly boots: readonly { readonly machine: string; readonly units: number }[];
  readonly units: number;
  readonly of: number | null;
}

describeWith(NEEDS, 'a repository whose answers are late', () => {
  let folder: Awaited<ReturnType<typeof temporaryFolder>>;
  let ganesha: Ganesha;
  let late: LateNfs;
  let service: ServiceProcess;
  let withoutTrace = 0;

  beforeAll(async () => {
    folder = await temporaryFolder('boot-reads');
    ganesha = await Ganesha.start();
    late = await LateNfs.start({ host: ganesha.server, port: ganesha.port }, LATE_MS);
    service = await ServiceProcess.start({ arguments: ARGUMENTS });
    const mount = await LateNfs.start({ host: ganesha.server, port: ganesha.mountPort }, 0);
    stops.push(() => mount.stop());
    await service.json(
      ...['repository', 'create', 'far', '--kind', 'nfs', '--set', 'nfsversion=3'],
      ...['--set', 'server=127.0.0.1', '--set', `port=${late.port}`],
      ...['--set', `mountPort=${mount.port}`, '--set', `serverpath=${ganesha.path()}`],
    );
    await importTraceImage(service, folder.path, 'debian', '--repository', 'far');
    for (const number of [1, 2, 3, 4]) {
      const machine = { name: new TraceMachine(service, number).name, mac: macOf(number) };
      await call(service, 'POST', '/machines', { ...machine, vdisk: 'debian' });
    }
  });
  const stops: (() => Promise<void>)[] = [];
  afterAll(async () => {
    await service?.remove();
    await late?.stop();
    for (const stop of stops) await stop();
    await ganesha?.stop();
    await folder?.remove();
  });

  /** Cold: no memory of this service has anything of the image. */
  async function restart(): Promise<void> {
    const { data } = service;
    await service.stop();
    service = await ServiceProcess.start({ data, arguments: ARGUMENTS });
    await until('the repository is attached', async () => {
      const repository = await call(service, 'GET', '/repositories/far');
      return (repository as { state: string }).state === 'attached';
    });
  }

  const boots = async (): Promise<Boots> => (await call(service, 'GET', '/boots')) as Boots;
  const shownTrace = async (): Promise<Trace> =>
    (await call(service, 'GET', '/vdisks/debian/versions/1/trace')) as Trace;

  /** @returns how many READs the repository was asked for meanwhile */
  async function bootOf(number: number, whileItLoads = async (): Promise<void> => {}) {
    const before = late.reads;
    const machine = new TraceMachine(service, number);
    expect(await machine.askForBoot()).toBe(0);
    await whileItLoads();
    await machine.replay();
    await machine.stage('root-mounted');
    await machine.ready();
    return late.reads - before;
  }

  it('is read by the first machine that boots, which is recorded', async () => {
    await restart();
    withoutTrace = await bootOf(1);
    expect(withoutTrace).toBeGreaterThan(300);
    const { boots: recorded, units, of } = await shownTrace();
    expect(recorded.map(({ machine }) => machine)).toEqual(['storm-001']);
    expect(of).toBe(1);
    expect(units).toBeGreaterThan(300);
  });

  it('is not read by the second, whichever worker it comes to', async () => {
    const before = (await boots()).reads;
    expect(await bootOf(2)).toBe(0);
    expect(await bootOf(3)).toBe(0);
    expect((await boots()).reads.aheadRequests).toBe(before.aheadRequests);
  });

  it('is asked three times less often for a boot that was recorded', async () => {
    await restart();
    const start = late.reads;
    await bootOf(4, async () => {
      // While a kernel and an initrd are loaded, and start.
      await until('all is read ahead', async () => (await boots()).reads.aheadRequests > 0);
    });
    const withTrace = late.reads - start;
    const { reads } = await boots();
    console.log(
      `READs of one cold boot: ${withoutTrace} without a trace, ${withTrace} with it (${(withoutTrace / withTrace).toFixed(1)} times less); ${reads.aheadRequests} ahead`,
    );
    expect(withTrace * 3).toBeLessThanOrEqual(withoutTrace);
    // Workers write their figures twice a second.
    await until('most of what was read ahead was wanted', async () => {
      const { aheadHitBytes, aheadBytes } = (await boots()).reads;
      return aheadHitBytes > aheadBytes / 2;
    });
  });

  it('shows the steps of a boot, with root mounted and ready', async () => {
    const { items } = (await call(service, 'GET', '/machines/storm-004/boots')) as {
      items: { steps: { stage: string }[]; ended: string }[];
    };
    const [last] = items;
    expect(last?.ended).toBe('ready');
    const stages = last?.steps.map(({ stage }) => stage) ?? [];
    expect(stages).toEqual(expect.arrayContaining(['script', 'root-mounted', 'ready']));
  });
});
