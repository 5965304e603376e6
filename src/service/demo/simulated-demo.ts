/** The demo where no machine can be booted: a running service and machines that only replay a boot. */
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { DemoSession } from './demo-session.ts';
import { LabService } from './lab-service.ts';
import { formatMiB, type MachineRow } from './progress-view.ts';
import { bootTrace, type Simulation, simulateBoot, writeTraceImage } from './simulated-machine.ts';

const NAMES = ['ada', 'barbara', 'grace', 'margaret'];
const POLL_MS = 500;

export async function simulatedDemo(session: DemoSession): Promise<void> {
  const { view, folder, signal, defer } = session;
  view.say('1. A disk image with data wherever a recorded boot of Debian reads');
  const trace = await bootTrace();
  const image = join(folder, 'disk.img');
  await writeTraceImage(image, trace);

  view.say('2. The service, on loopback and free ports, without boot servers');
  const service = await LabService.start({
    namespace: undefined,
    folder,
    arguments: ['--log-level', 'warn'],
  });
  defer(() => service.stop());

  view.say('3. rootcast vdisk import disk.img --name debian');
  await service.cli(['vdisk', 'import', image, '--name', 'debian'], { signal });
  for (const [at, name] of NAMES.entries()) {
    const mac = `52:54:00:de:30:1${at}`;
    view.say(`   rootcast machine add ${name} --mac ${mac} --vdisk debian`);
    await service.cli(['machine', 'add', name, '--mac', mac, '--vdisk', 'debian'], { signal });
  }

  view.say(
    `4. ${NAMES.length} SIMULATED machines replay ${trace.length} block requests of a boot each, over NBD`,
  );
  const start = performance.now();
  const simulations = NAMES.map((): Simulation => ({ progress: 0, wrongBytes: 0 }));
  const boots = Promise.all(
    NAMES.map((name, at) => {
      const uri = `nbd://127.0.0.1:${service.nbdPort}/machine/${name}`;
      const simulation = simulations[at] ?? { progress: 0, wrongBytes: 0 };
      return simulateBoot(uri, trace, simulation, signal);
    }),
  );
  await showUntil(boots, session, service, simulations, start);
  const wrong = simulations.reduce((sum, { wrongBytes }) => sum + wrongBytes, 0);
  if (wrong > 0) throw new Error(`${formatMiB(wrong)} were not what the image holds`);
  view.say('');
  view.say(
    'Simulated machines have read one shared image at the same time and written to write caches of',
  );
  view.say('their own. No machine was booted and no PXE packet was sent.');
}

async function showUntil(
  boots: Promise<unknown>,
  { view, signal }: DemoSession,
  service: LabService,
  simulations: readonly Simulation[],
  start: number,
): Promise<void> {
  let done = false;
  const ended = boots.finally(() => {
    done = true;
  });
  // Awaited at the end; until then a failure must not count as unhandled.
  ended.catch(() => undefined);
  for (;;) {
    const last = done;
    view.show(await rows(service, simulations, performance.now() - start));
    if (last) break;
    await sleep(POLL_MS, undefined, { signal });
  }
  await ended;
}

function rows(
  service: LabService,
  simulations: readonly Simulation[],
  elapsedMs: number,
): Promise<MachineRow[]> {
  return Promise.all(
    NAMES.map(async (name, at) => {
      const machine = await service.machine(name);
      // In tenths, so that a log has a line for each and not for every request.
      const tenths = Math.floor((simulations[at]?.progress ?? 0) * 10);
      return {
        name,
        kind: 'simulated',
        state: machine.state,
        stage: tenths === 10 ? 'boot replayed' : `replaying, ${tenths * 10} %`,
        bytesRead: machine.bytesRead,
        cacheUsedBytes: machine.cache.usedBytes,
        elapsedMs,
      };
    }),
  );
}
