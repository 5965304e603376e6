/**
 * 200 machines that are switched on at once, 50 of which may boot at a time: each asks for its script as iPXE does,
 * sleeps as it is told, replays the beginning of a recorded boot of Debian (`ROOTCAST_SLOW=1`: all of it), every byte
 * checked, and says that it is up.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ServiceProcess } from '../support/service-process.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { call, importTraceImage, macOf, TraceMachine, trace } from './storm/trace-image.ts';

const MACHINES = 200;
const AT_ONCE = 50;
const SLOW = process.env['ROOTCAST_SLOW'] === '1';
/** Of the trace's 1,168. */
const REQUESTS = SLOW ? trace.length : 120;
/** A hang, not slowness. */
const HANG_MS = SLOW ? 1_200_000 : 170_000;

interface Boots {
  readonly waiting: number;
  readonly slotsTaken: number;
}

describe(`${MACHINES} machines that are switched on at once, with room for ${AT_ONCE}`, () => {
  let folder: Awaited<ReturnType<typeof temporaryFolder>>;
  let service: ServiceProcess;

  beforeAll(async () => {
    folder = await temporaryFolder('boot-storm');
    service = await ServiceProcess.start({
      arguments: [
        ...['--pxe-address', '127.0.0.1', '--pxe-http-port', '0', '--pxe-tftp-enabled', 'false'],
        ...['--boots-most', String(AT_ONCE), '--workers', '2'],
      ],
    });
    await importTraceImage(service, folder.path, 'debian');
    for (let number = 1; number <= MACHINES; number++) {
      const { name } = new TraceMachine(service, number);
      await call(service, 'POST', '/machines', { name, mac: macOf(number), vdisk: 'debian' });
    }
  });
  afterAll(async () => {
    await service?.remove();
    await folder?.remove();
  });

  it(
    'all boot, never more at once than may, and none fails',
    async () => {
      const began = performance.now();
      const readyAfter: number[] = [];
      let booting = 0;
      let most = 0;
      let waits = 0;
      let longestQueue = 0;
      const machines = Array.from(
        { length: MACHINES },
        (_, at) => new TraceMachine(service, at + 1),
      );
      await Promise.all(
        machines.map(async (machine) => {
          const sentAway = await machine.askForBoot();
          waits += sentAway;
          booting += 1;
          most = Math.max(most, booting);
          if (machine.number % 20 === 0) {
            const { waiting } = (await call(service, 'GET', '/boots')) as Boots;
            longestQueue = Math.max(longestQueue, waiting);
          }
          await machine.replay(REQUESTS);
          booting -= 1;
          await machine.ready();
          readyAfter.push((performance.now() - began) / 1000);
        }),
      );
      expect(readyAfter).toHaveLength(MACHINES);
      expect(most).toBeLessThanOrEqual(AT_ONCE);
      expect(most).toBeGreaterThan(AT_ONCE / 2);
      expect(longestQueue).toBeGreaterThan(0);
      const readyWhen = (part: number): string => {
        const at = Math.min(MACHINES - 1, Math.floor(MACHINES * part));
        return `${(readyAfter[at] ?? 0).toFixed(1)} s`;
      };
      console.log(
        `${MACHINES} machines, ${AT_ONCE} at once, ${REQUESTS} requests each: ready first after ${readyWhen(0)}, median ${readyWhen(0.5)}, last ${readyWhen(1)}; sent away ${waits} times, queue up to ${longestQueue}, none failed`,
      );
    },
    HANG_MS,
  );

  it('leaves nobody waiting, and each boot once in the timeline', async () => {
    expect(await call(service, 'GET', '/boots')).toMatchObject({ waiting: 0, slotsTaken: 0 });
    for (const number of [1, 77, MACHINES]) {
      const { name } = new TraceMachine(service, number);
      const { items } = (await call(service, 'GET', `/machines/${name}/boots`)) as {
        items: { ended: string }[];
      };
      expect(items.map(({ ended }) => ended)).toEqual(['ready']);
    }
  });
});
